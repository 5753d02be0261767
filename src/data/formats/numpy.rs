use std::io::{Cursor, Read};
use std::sync::Arc;

use bytes::Bytes;

use super::arrays::{self, Array};
use super::{Format, Tensors};
use crate::data::dataset::Dataset;
use crate::data::split::{self, Wanted};
use crate::data::tree::{Budget, Entry, Tree};
use crate::data::{Error, Result};
use crate::onnx::DType;
use crate::runtime::Tensor;

/// NumPy arrays: an `.npz` file, an `.npy` file, or a folder of these. Names of arrays (or of `.npy` files) say what
/// they are: `labels` or `y`, `x` or the name of an input, `output_NAME`; with a split before or behind (`x_train`).
pub struct Numpy;

impl Format for Numpy {
    fn name(&self) -> &'static str {
        "numpy"
    }

    fn summary(&self) -> &'static str {
        "NumPy .npz or .npy (x, y or labels, names of inputs)"
    }

    fn open(&self, tree: &Arc<Tree>, wanted: &Wanted) -> Result<Option<Box<dyn Dataset>>> {
        let mut found = Vec::new();
        for entry in tree.entries() {
            if entry.has_extension(&["npy"]) {
                let array = npy(tree.read(entry)?).map_err(|why| Error::broken(tree.label(&entry.path), why))?;
                // A single file is all that there is, whatever it is called.
                let name = if tree.is_single { "x".to_owned() } else { entry.stem().to_owned() };
                found.push((name, array));
            } else if entry.has_extension(&["npz"]) {
                let arrays = npz(&tree.label(&entry.path), tree.read(entry)?, tree.budget())?;
                found.extend(arrays.into_iter().map(|(name, array)| (named(tree, entry, &name), array)));
            }
        }
        if found.is_empty() {
            return Ok(None);
        }
        arrays::dataset(tree.root.display().to_string(), found, wanted).map(Some)
    }
}

/// As many axes as NumPy 2 allows.
const MOST_AXES: usize = 64;

/// Files of a folder may be splits: `train.npz` with `x` and `y`.
fn named(tree: &Tree, entry: &Entry, name: &str) -> String {
    match !tree.is_single && split::is_split(entry.stem()) {
        true => format!("{}/{name}", entry.stem()),
        false => name.to_owned(),
    }
}

fn npz(label: &str, bytes: Bytes, budget: &Budget) -> Result<Vec<(String, Array)>> {
    let broken = |why: String| Error::broken(label, why);
    budget.begin(bytes.len() as u64);
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| broken(e.to_string()))?;
    let mut arrays = Vec::new();
    let mut block = vec![0; 1 << 17];
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).map_err(|e| broken(e.to_string()))?;
        let name = file.name().map_err(|e| broken(e.to_string()))?.into_owned();
        let Some(stem) = name.strip_suffix(".npy") else { continue };
        // The size that it declares may be a lie.
        let mut bytes = Vec::new();
        loop {
            let n = file.read(&mut block).map_err(|e| broken(format!("{name}: {e}")))?;
            let Some(part) = block.get(..n).filter(|p| !p.is_empty()) else { break };
            budget.spend(label, part.len() as u64)?;
            bytes.extend_from_slice(part);
        }
        arrays.push((stem.to_owned(), npy(bytes.into()).map_err(|why| broken(format!("{name}: {why}")))?));
    }
    Ok(arrays)
}

/// Whole arrays of an archive.
pub fn npz_tensors(label: &str, bytes: Bytes, budget: &Budget) -> Result<Tensors> {
    let one = |(name, array): (String, Array)| Ok((name, array.tensor().map_err(|why| Error::broken(label, why))?));
    npz(label, bytes, budget)?.into_iter().map(one).collect()
}

/// A whole array.
pub fn npy_tensor(bytes: Bytes) -> Result<Tensor, String> {
    npy(bytes)?.tensor()
}

/// An array with its header.
fn npy(bytes: Bytes) -> Result<Array, String> {
    let fail = |why: &str| Err(format!("as a NumPy array: {why}"));
    let Some(rest) = bytes.strip_prefix(b"\x93NUMPY") else { return fail("it does not begin as one does") };
    let (length, start): (usize, usize) = match *rest {
        [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([a, b])), 10),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([a, b, c, d]) as usize, 12),
        _ => return fail("its version is not known"),
    };
    let header = start.checked_add(length).and_then(|end| bytes.get(start..end));
    let Some(header) = header.and_then(|h| std::str::from_utf8(h).ok()) else { return fail("its header is cut off") };
    let after = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let (Some(descr), Some(order), Some(shape)) = (after("descr"), after("fortran_order"), after("shape")) else {
        return fail("its header lacks descr, fortran_order or shape");
    };
    if !order.starts_with("False") {
        return fail("it is in column-major order; save it with numpy.ascontiguousarray");
    }
    let Some(code) = descr.strip_prefix('\'').and_then(|d| d.split('\'').next()) else {
        return fail("its elements are records");
    };
    let Some(dtype) = element(code) else {
        let code: String = code.chars().take(20).collect();
        return fail(&format!("elements of type '{code}' are not supported"));
    };
    let inner = shape.strip_prefix('(').and_then(|s| s.split_once(')')).map(|(inner, _)| inner);
    let sizes = inner.map(|i| i.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::parse::<usize>));
    let Some(Ok(shape)) = sizes.map(Iterator::collect::<Result<Vec<_>, _>>) else {
        return fail("its shape is no shape");
    };
    if shape.len() > MOST_AXES {
        return fail(&format!("it has {} axes, NumPy's arrays have at most {MOST_AXES}", shape.len()));
    }
    Array::new(dtype, shape, bytes.slice(start + length..))
}

fn element(code: &str) -> Option<DType> {
    Some(match code {
        "|b1" => DType::Bool,
        "|u1" => DType::Uint8,
        "|i1" => DType::Int8,
        "<u2" => DType::Uint16,
        "<i2" => DType::Int16,
        "<u4" => DType::Uint32,
        "<i4" => DType::Int32,
        "<u8" => DType::Uint64,
        "<i8" => DType::Int64,
        "<f2" => DType::Float16,
        "<f4" => DType::Float,
        "<f8" => DType::Double,
        _ => return None,
    })
}
