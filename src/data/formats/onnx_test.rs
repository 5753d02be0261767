use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message;

use super::Format;
use crate::data::convert::{convert, from_f32, row};
use crate::data::dataset::{Content, Dataset, Sample};
use crate::data::split::Wanted;
use crate::data::tree::Tree;
use crate::data::{Error, Label, Result};
use crate::onnx::proto::TensorProto;
use crate::onnx::{self, DType};
use crate::runtime::{Data, Tensor};

/// ONNX test data: `test_data_set_0/input_0.pb` … with `output_0.pb`, serialized tensors whose first axis counts
/// samples.
pub struct OnnxTest;

impl Format for OnnxTest {
    fn name(&self) -> &'static str {
        "onnx-test-data"
    }

    fn summary(&self) -> &'static str {
        "ONNX test data (test_data_set_*/input_*.pb)"
    }

    fn open(&self, tree: &Arc<Tree>, wanted: &Wanted) -> Result<Option<Box<dyn Dataset>>> {
        let mut sets: BTreeMap<(usize, String), Set> = BTreeMap::new();
        for (i, entry) in tree.entries().iter().enumerate() {
            let number = |kind: &str| entry.stem().strip_prefix(kind)?.parse::<usize>().ok();
            if !entry.has_extension(&["pb"]) {
                continue;
            }
            let folder = entry.folder();
            // By number: the tenth set comes behind the ninth.
            let digits = folder.rsplit('_').next().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
            let set: &mut Set = sets.entry((digits, folder.to_owned())).or_default();
            if let Some(n) = number("input_") {
                set.inputs.insert(n, i);
            } else if let Some(n) = number("output_") {
                set.outputs.insert(n, i);
            }
        }
        sets.retain(|_, set| !set.inputs.is_empty());
        if sets.is_empty() {
            return Ok(None);
        }
        wanted.choose(&[String::new()])?;
        let mut samples = Vec::new();
        for ((_, folder), set) in sets {
            let inputs = tensors(tree, &set.inputs)?;
            let outputs = tensors(tree, &set.outputs)?;
            samples.extend(rows(&tree.label(&folder), &folder, &inputs, &outputs)?);
        }
        Ok(Some(Box::new(Sets { samples })))
    }
}

#[derive(Default)]
struct Set {
    inputs: BTreeMap<usize, usize>,
    outputs: BTreeMap<usize, usize>,
}

type Named = Vec<(String, Tensor)>;

fn tensors(tree: &Tree, files: &BTreeMap<usize, usize>) -> Result<Named> {
    let entries = files.values().filter_map(|i| tree.entries().get(*i));
    let read = |entry: &crate::data::tree::Entry| {
        let fail = |why: String| Error::broken(tree.label(&entry.path), why);
        let proto = TensorProto::decode(tree.read(entry)?).map_err(|e| fail(e.to_string()))?;
        let tensor = tensor(&proto).map_err(|e| fail(e.to_string()))?;
        Ok((proto.name.unwrap_or_default(), tensor))
    };
    entries.map(read).collect()
}

/// A serialized tensor and its name.
pub fn pb_tensor(bytes: bytes::Bytes) -> Result<(String, Tensor), String> {
    let proto = TensorProto::decode(bytes).map_err(|e| e.to_string())?;
    let tensor = tensor(&proto).map_err(|e| e.to_string())?;
    Ok((proto.name.unwrap_or_default(), tensor))
}

fn tensor(proto: &TensorProto) -> Result<Tensor, Box<dyn std::error::Error>> {
    let dtype = DType::try_from(proto.data_type())?;
    let data = match dtype {
        DType::Double => Data::F64(onnx::to_f64_any(proto)?),
        DType::Int64 => Data::I64(onnx::to_i64(proto)?),
        d if d.is_float() => from_f32(onnx::to_f32(proto)?.into_owned(), d)?,
        d => {
            let values = onnx::to_i64(proto)?;
            let wide = Tensor::new([values.len()], values)?;
            convert(wide, d)?.into_parts().1
        }
    };
    Ok(Tensor::new(onnx::shape(proto)?, data)?)
}

struct Row {
    name: String,
    inputs: Named,
    outputs: Named,
}

/// The samples of a set: one for each row of its tensors.
fn rows(label: &str, folder: &str, inputs: &Named, outputs: &Named) -> Result<Vec<Row>> {
    let all = || inputs.iter().chain(outputs);
    let count = all().next().and_then(|(_, t)| t.shape().first().copied());
    let Some(count) = count.filter(|n| all().all(|(_, t)| t.shape().first() == Some(n))) else {
        return Err(Error::broken(label, "its tensors have no common first axis that counts samples"));
    };
    // Rows without a single element cost nothing to claim.
    if let Some((name, t)) = all().find(|(_, t)| count > 0 && t.is_empty()) {
        let why = format!("the samples of tensor '{name}' have no elements: its shape is {:?}", t.shape());
        return Err(Error::broken(label, why));
    }
    let cut = |named: &Named, i: usize| -> Option<Named> {
        named.iter().map(|(name, t)| Some((name.clone(), row(t, i)?))).collect()
    };
    let one = |i: usize| {
        let name = if count == 1 { folder.to_owned() } else { format!("{folder} row {i}") };
        Some(Row { name, inputs: cut(inputs, i)?, outputs: cut(outputs, i)? })
    };
    let rows: Option<Vec<Row>> = (0..count).map(one).collect();
    rows.ok_or_else(|| Error::broken(label, "its tensors cannot be cut into samples"))
}

struct Sets {
    samples: Vec<Row>,
}

impl Dataset for Sets {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn name(&self, index: usize) -> String {
        self.samples.get(index).map_or_else(|| index.to_string(), |s| s.name.clone())
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let missing = || Error::sample(index.to_string(), "there is no such sample");
        let row = self.samples.get(index).ok_or_else(missing)?;
        let target = match row.outputs.is_empty() {
            true => Label::Unknown,
            false => Label::Outputs(row.outputs.clone()),
        };
        Ok(Sample { content: Content::Tensors(row.inputs.clone()), target })
    }
}
