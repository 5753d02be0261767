//! What a model wants of its inputs, and whether data can give it.

use super::pipeline::{AxisLayout, Pipeline};
use super::{Error, Result};
use crate::onnx::DType;
use crate::runtime::{Dim, IoInfo};

/// An input that takes images.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ImageInput {
    pub name: String,
    pub dtype: DType,
    pub layout: AxisLayout,
    pub channels: Option<usize>,
    /// Height and width, where the model fixes them.
    pub size: [Option<usize>; 2],
}

/// The batch size that a model fixes.
pub(super) fn fixed_batch(inputs: &[IoInfo]) -> Result<Option<usize>> {
    let first = |i: &IoInfo| match i.dims.as_ref()?.first()? {
        Dim::Fixed(n) => Some(*n),
        _ => None,
    };
    let mut sizes = inputs.iter().filter_map(|i| Some((i.name.as_str(), first(i)?)));
    let Some((name, size)) = sizes.next() else { return Ok(None) };
    if size == 0 {
        return Err(Error::fit(format!("input `{name}` has a first axis of size 0")));
    }
    match sizes.find(|(_, other)| *other != size) {
        Some((other, n)) => {
            let why =
                format!("inputs `{name}` and `{other}` have first axes of {size} and {n}, which count no samples");
            Err(Error::fit(why))
        }
        None => Ok(Some(size)),
    }
}

pub(super) fn dtype(input: &IoInfo) -> Result<DType> {
    let known = Some(input.dtype).filter(|d| *d != DType::Undefined);
    known.ok_or_else(|| Error::fit(format!("input `{}` is no tensor", input.name)))
}

/// The model's only input, as one that takes images.
pub(super) fn image_input(inputs: &[IoInfo], layout: Option<AxisLayout>) -> Result<ImageInput> {
    let [input] = inputs else {
        let names: Vec<&str> = inputs.iter().map(|i| i.name.as_str()).collect();
        let why = format!("images go into a model with one input, this one has {}: {}", names.len(), names.join(", "));
        return Err(Error::fit(why));
    };
    let dtype = dtype(input)?;
    let Some(dims) = &input.dims else {
        let layout = layout.unwrap_or(AxisLayout::Nchw);
        return Ok(ImageInput { name: input.name.clone(), dtype, layout, channels: None, size: [None; 2] });
    };
    let [_, a, b, c] = dims.as_slice() else {
        let why = format!("input `{}` has {} axes, images have 4 (with the batch)", input.name, dims.len());
        return Err(Error::fit(why));
    };
    let fixed = |d: &Dim| match d {
        Dim::Fixed(n) => Some(*n),
        _ => None,
    };
    let colour = |d: &Dim| matches!(d, Dim::Fixed(1 | 3));
    let guess = if !colour(a) && colour(c) { AxisLayout::Nhwc } else { AxisLayout::Nchw };
    let layout = layout.unwrap_or(guess);
    let (channels, size) = match layout {
        AxisLayout::Nchw => (a, [b, c]),
        AxisLayout::Nhwc => (c, [a, b]),
    };
    Ok(ImageInput { name: input.name.clone(), dtype, layout, channels: fixed(channels), size: size.map(fixed) })
}

/// Whether what a pipeline file says of the element type is what the model says.
pub(super) fn check_dtype(pipeline: &Pipeline, dtype: DType, input: &str) -> Result<()> {
    match &pipeline.dtype {
        Some(said) if said != dtype.name() => {
            Err(Error::fit(format!("the pipeline gives {said}, input `{input}` takes {}", dtype.name())))
        }
        _ => Ok(()),
    }
}

/// Whether the classes of a data set are those of a model's output, whose last axis counts them.
///
/// # Errors
/// [`Error::Fit`] when the data set has more classes, or other ones: fewer, but with names.
pub fn check_classes(classes: &[String], output: &IoInfo) -> Result<()> {
    let Some(Dim::Fixed(count)) = output.dims.as_ref().and_then(|d| d.last()) else { return Ok(()) };
    // Labels that are only numbers need not reach the last class.
    let named = classes.iter().enumerate().any(|(i, name)| *name != i.to_string());
    if classes.len() > *count || named && classes.len() < *count {
        let why = format!("it has {} classes, output `{}` of the model has {count}", classes.len(), output.name);
        return Err(Error::fit(why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(name: &str, dims: &[i64]) -> IoInfo {
        let dim = |d: &i64| usize::try_from(*d).map_or(Dim::Unknown, Dim::Fixed);
        IoInfo { name: name.into(), dtype: DType::Float, dims: Some(dims.iter().map(dim).collect()) }
    }

    #[test]
    fn layout_and_size_are_read_off_the_model() {
        let input = |dims: &[i64]| image_input(&[io("x", dims)], None);
        let nchw = input(&[-1, 3, 224, 192]).unwrap();
        assert_eq!((nchw.layout, nchw.channels, nchw.size), (AxisLayout::Nchw, Some(3), [Some(224), Some(192)]));
        let nhwc = input(&[1, 224, 192, 3]).unwrap();
        assert_eq!((nhwc.layout, nhwc.channels, nhwc.size), (AxisLayout::Nhwc, Some(3), [Some(224), Some(192)]));
        assert_eq!(input(&[-1, -1, -1, -1]).unwrap().layout, AxisLayout::Nchw);
        assert!(input(&[1, 3]).is_err());
        assert!(image_input(&[io("x", &[1, 3, 2, 2]), io("y", &[1])], None).is_err());
    }

    #[test]
    fn batches_that_the_model_fixes_must_agree() {
        assert_eq!(fixed_batch(&[io("x", &[-1, 3]), io("y", &[8, 3])]).unwrap(), Some(8));
        assert_eq!(fixed_batch(&[io("x", &[-1, 3])]).unwrap(), None);
        assert!(fixed_batch(&[io("x", &[4, 3]), io("y", &[8, 3])]).is_err());
        assert!(fixed_batch(&[io("x", &[0, 3])]).is_err());
    }

    #[test]
    fn classes_must_fit_the_output() {
        let names = |n: &[&str]| n.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        let output = io("logits", &[-1, 2]);
        assert!(check_classes(&names(&["cat", "dog"]), &output).is_ok());
        assert!(check_classes(&names(&["0"]), &output).is_ok());
        assert!(check_classes(&names(&["cat"]), &output).is_err());
        let error = check_classes(&names(&["0", "1", "2"]), &output).unwrap_err().to_string();
        assert!(error.contains("3 classes") && error.contains("has 2"), "{error}");
        assert!(check_classes(&names(&["cat"]), &io("open", &[-1, -1])).is_ok());
    }
}
