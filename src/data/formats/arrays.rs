//! Samples that lie side by side in arrays, whichever file the arrays come from.

use bytes::Bytes;

use super::{MOST_CLASSES, check_class};
use crate::data::convert::from_bytes;
use crate::data::dataset::{Content, Dataset, Sample, numbered};
use crate::data::image::Image;
use crate::data::split::{self, Wanted};
use crate::data::{Error, Label, Result};
use crate::onnx::DType;
use crate::runtime::Tensor;

/// Images of one size, one after the other.
pub struct Pixels {
    bytes: Bytes,
    count: usize,
    height: usize,
    width: usize,
    channels: usize,
    /// Whether each channel is a plane of its own.
    planar: bool,
}

impl Pixels {
    /// Joins bytes and sizes `[height, width, channels]`; `None` when they do not fit.
    pub fn new(bytes: Bytes, count: usize, [height, width, channels]: [usize; 3], planar: bool) -> Option<Self> {
        let one = height.checked_mul(width)?.checked_mul(channels)?;
        let fits = one > 0 && one.checked_mul(count)? == bytes.len();
        fits.then_some(Pixels { bytes, count, height, width, channels, planar })
    }

    fn image(&self, index: usize) -> Option<Image> {
        let one = self.height * self.width * self.channels;
        let bytes = self.bytes.get(index.checked_mul(one)?..index.checked_add(1)?.checked_mul(one)?)?;
        let area = self.height * self.width;
        let pixels = match self.planar && self.channels > 1 {
            false => bytes.to_vec(),
            true => {
                let mut pixels = vec![0; one];
                for (c, plane) in bytes.chunks_exact(area).enumerate() {
                    let places = pixels.iter_mut().skip(c).step_by(self.channels);
                    places.zip(plane).for_each(|(to, from)| *to = *from);
                }
                pixels
            }
        };
        Image::new(self.width, self.height, self.channels, pixels)
    }

    /// A data set of these images, called `label`.
    pub fn dataset(self, label: String, targets: Option<Vec<usize>>, classes: Vec<String>) -> Box<dyn Dataset> {
        let targets = targets.map(|all| all.into_iter().map(Label::Class).collect());
        Box::new(Rows {
            count: self.count,
            label,
            content: Columns::Images(self),
            targets,
            outputs: Vec::new(),
            classes,
        })
    }
}

/// One array of a file.
#[derive(Clone)]
pub struct Array {
    pub dtype: DType,
    pub shape: Vec<usize>,
    /// Elements, row-major and little-endian.
    pub bytes: Bytes,
}

impl Array {
    /// Joins elements and a shape; an error says why they do not fit.
    pub fn new(dtype: DType, shape: Vec<usize>, bytes: Bytes) -> Result<Self, String> {
        let count = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s));
        match count.and_then(|n| dtype.bytes_for(n)) {
            Some(need) if need == bytes.len() => Ok(Array { dtype, shape, bytes }),
            _ => Err(format!("{} bytes are not {shape:?} elements of {}", bytes.len(), dtype.name())),
        }
    }

    /// All of it.
    pub fn tensor(&self) -> Result<Tensor, String> {
        let data = from_bytes(&self.bytes, self.dtype);
        let data = data.ok_or_else(|| format!("elements of {} cannot be given to a model", self.dtype.name()))?;
        Tensor::new(self.shape.as_slice(), data).map_err(|e| e.to_string())
    }

    /// Row `index` along the first axis.
    fn row(&self, index: usize) -> Option<Tensor> {
        let (count, shape) = self.shape.split_first()?;
        let one = self.bytes.len().checked_div(*count)?;
        let bytes = self.bytes.get(index.checked_mul(one)?..index.checked_add(1)?.checked_mul(one)?)?;
        Tensor::new(shape, from_bytes(bytes, self.dtype)?).ok()
    }

    /// The array as images, if bytes in the shape of images.
    fn images(&self) -> Option<Pixels> {
        let (sizes, planar) = match *self.shape.as_slice() {
            [_, h, w] => ([h, w, 1], false),
            [_, h, w, c @ (1 | 3)] => ([h, w, c], false),
            [_, c @ (1 | 3), h, w] => ([h, w, c], true),
            _ => return None,
        };
        let count = *self.shape.first()?;
        (self.dtype == DType::Uint8).then(|| Pixels::new(self.bytes.clone(), count, sizes, planar))?
    }

    fn integers(&self) -> Option<Vec<i64>> {
        let tensor = Tensor::new([self.shape.iter().product::<usize>()], from_bytes(&self.bytes, self.dtype)?).ok()?;
        let values = tensor.to_f64_vec();
        values.iter().map(|x| (x.trunc() == *x && x.abs() < 1e15).then_some(*x as i64)).collect()
    }
}

/// What the name of an array says.
#[derive(Debug, PartialEq)]
enum ArrayRole {
    Labels,
    /// An input; without a name it is for the model's only one.
    Input(String),
    /// What the model ought to give.
    Output(String),
}

const LABELS: &[&str] = &["label", "labels", "y", "target", "targets", "class", "classes"];
const INPUTS: &[&str] = &["", "x", "input", "inputs", "image", "images", "data", "features", "arr_0"];

/// Split and role of an array: `x_train`, `test_images`, `train/labels`, `input_ids`, `output_logits`.
fn read_name(name: &str) -> (String, ArrayRole) {
    let cut = |c| matches!(c, '_' | '/' | '.' | '-');
    let first = name.split_once(cut).filter(|(head, _)| split::is_split(head));
    let last = name.rsplit_once(cut).filter(|(_, tail)| split::is_split(tail)).map(|(head, tail)| (tail, head));
    let whole = split::is_split(name).then_some((name, ""));
    let (split, rest) = whole.or(first).or(last).unwrap_or(("", name));
    let plain = rest.to_lowercase();
    let output = ["output_", "output/", "outputs/", "output."].iter().find_map(|p| rest.strip_prefix(p));
    let role = match output {
        Some(output) => ArrayRole::Output(output.to_owned()),
        None if LABELS.contains(&plain.as_str()) => ArrayRole::Labels,
        None if INPUTS.contains(&plain.as_str()) => ArrayRole::Input(String::new()),
        None => ArrayRole::Input(rest.to_owned()),
    };
    (split.to_owned(), role)
}

/// A data set of the arrays of a split, by name.
pub fn dataset(label: String, arrays: Vec<(String, Array)>, wanted: &Wanted) -> Result<Box<dyn Dataset>> {
    let read: Vec<_> = arrays.into_iter().map(|(name, array)| (read_name(&name), name, array)).collect();
    let names = split::names(read.iter().map(|((split, _), ..)| split.as_str()));
    let chosen = names.get(wanted.choose(&names)?).cloned().unwrap_or_default();
    let (mut inputs, mut outputs, mut labels) = (Vec::new(), Vec::new(), None);
    let mut count: Option<(usize, String)> = None;
    for ((split, role), name, array) in read {
        if split != chosen {
            continue;
        }
        let Some(rows) = array.shape.first().copied() else {
            return Err(Error::broken(label, format!("array '{name}' has no axis that counts samples")));
        };
        // Rows without a single element cost nothing to claim: only those that are there can be counted.
        if rows > 0 && array.shape.contains(&0) {
            let why = format!("the samples of array '{name}' have no elements: its shape is {:?}", array.shape);
            return Err(Error::broken(label, why));
        }
        match &count {
            Some((n, other)) if *n != rows => {
                let why = format!("'{other}' has {n} samples, '{name}' has {rows}");
                return Err(Error::labels(label, why));
            }
            _ => count = Some((rows, name.clone())),
        }
        match role {
            ArrayRole::Labels => labels = Some((name, array)),
            ArrayRole::Input(input) => inputs.push((input, array)),
            ArrayRole::Output(output) => outputs.push((output, array)),
        }
    }
    let count = count.map_or(0, |(n, _)| n);
    if inputs.is_empty() {
        return Err(Error::broken(label, "it has no array that a model could be given"));
    }
    let mut classes = Vec::new();
    let mut targets = None;
    if let Some((name, array)) = labels {
        let fail = |why: String| Error::labels(&label, format!("'{name}' {why}"));
        let single = array.shape.iter().skip(1).all(|n| *n == 1);
        let numbers = array.integers().filter(|_| single);
        let numbers = numbers.ok_or_else(|| fail("is not one integer for each sample".into()))?;
        let all = numbers.iter().map(|n| check_class(*n, MOST_CLASSES)).collect::<Result<Vec<_>, _>>();
        let all = all.map_err(|why| fail(format!("has a bad one: {why}")))?;
        classes = numbered(all.iter().max().map_or(0, |m| m + 1));
        targets = Some(all.into_iter().map(Label::Class).collect());
    }
    let images = match inputs.as_slice() {
        [(name, array)] if name.is_empty() => array.images(),
        _ => None,
    };
    let content = images.map_or(Columns::Tensors(inputs), Columns::Images);
    Ok(Box::new(Rows { count, label, content, targets, outputs, classes }))
}

enum Columns {
    Images(Pixels),
    Tensors(Vec<(String, Array)>),
}

struct Rows {
    count: usize,
    label: String,
    content: Columns,
    targets: Option<Vec<Label>>,
    outputs: Vec<(String, Array)>,
    classes: Vec<String>,
}

impl Dataset for Rows {
    fn len(&self) -> usize {
        self.count
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        format!("{index} of {}", self.label)
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let bad = || Error::sample(self.name(index), "it cannot be read as a tensor");
        let rows = |arrays: &[(String, Array)]| -> Option<Vec<(String, Tensor)>> {
            arrays.iter().map(|(name, array)| Some((name.clone(), array.row(index)?))).collect()
        };
        let content = match &self.content {
            Columns::Images(pixels) => Content::Image(pixels.image(index).ok_or_else(bad)?),
            Columns::Tensors(arrays) => Content::Tensors(rows(arrays).ok_or_else(bad)?),
        };
        let target = match &self.targets {
            Some(all) => all.get(index).cloned().ok_or_else(bad)?,
            None if self.outputs.is_empty() => Label::Unknown,
            None => Label::Outputs(rows(&self.outputs).ok_or_else(bad)?),
        };
        Ok(Sample { content, target })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_split_and_role() {
        for (name, split, role) in [
            ("x_train", "train", ArrayRole::Input("".into())),
            ("y_test", "test", ArrayRole::Labels),
            ("train/images", "train", ArrayRole::Input("".into())),
            ("labels", "", ArrayRole::Labels),
            ("input_ids", "", ArrayRole::Input("input_ids".into())),
            ("val", "val", ArrayRole::Input("".into())),
            ("test_output_logits", "test", ArrayRole::Output("logits".into())),
        ] {
            assert_eq!(read_name(name), (split.to_owned(), role), "{name}");
        }
    }
}
