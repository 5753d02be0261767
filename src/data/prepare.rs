//! From a sample to what the model's inputs take.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::convert::{convert, from_f32, stack};
use super::dataset::{Content, Sample};
use super::decode::decode;
use super::fit::{ImageInput, check_dtype, dtype, image_input};
use super::image::Image;
use super::pipeline::{AxisLayout, Pipeline, Preprocess};
use super::steps::{Numbers, Shot, Work, repeated};
use super::{Batch, Error, Frame, Label, Limits, Result, tokens};
use crate::hint::Hint;
use crate::onnx::DType;
use crate::runtime::{Dim, IoInfo, Tensor};

/// One sample, ready to be put into a batch.
pub(super) struct Prepared {
    /// One for each input of the model, in order.
    pub parts: Vec<SamplePart>,
    pub target: Label,
    pub name: String,
    pub frame: Option<Frame>,
}

/// What one input of the model gets for one sample.
pub(super) enum SamplePart {
    Tensor(Tensor),
    /// Numbers that are brought to one length within the batch, or to the length given.
    Sequence {
        values: Vec<i64>,
        pad: i64,
        length: Option<usize>,
        dtype: DType,
    },
}

/// Everything about preprocessing that is the same for all samples.
pub(super) struct Preparer {
    inputs: Vec<IoInfo>,
    pipeline: Pipeline,
    image: Option<ImageInput>,
    /// What each byte becomes, for up to three channels; nothing where bytes stay bytes.
    tables: Option<Vec<[f32; 256]>>,
    limits: Limits,
    seed: u64,
}

impl Preparer {
    /// Checks that the pipeline fits the model, for data that begins with `content`.
    pub fn new(
        preprocess: Option<&Preprocess>,
        inputs: &[IoInfo],
        content: &Content,
        limits: &Limits,
        seed: u64,
    ) -> Result<Self> {
        if inputs.is_empty() {
            return Err(Error::fit("the model has no inputs"));
        }
        let images = matches!(content, Content::Encoded(_) | Content::Image(_));
        let steps = match preprocess {
            None | Some(Preprocess::None) => false,
            Some(Preprocess::Declared(p)) => !p.steps.is_empty(),
            Some(_) => true,
        };
        if !images && steps {
            let why = format!(
                "it holds no images, which the steps of {} are for: leave it out, or give none",
                Hint::Preprocess
            );
            return Err(Error::fit(why));
        }
        let declared = match preprocess {
            Some(Preprocess::Declared(p)) => p.layout,
            _ => None,
        };
        let image = images.then(|| image_input(inputs, declared)).transpose()?;
        let size = image.as_ref().and_then(|p| Some([p.size[0]?, p.size[1]?]));
        let Some(preprocess) = preprocess.or((!images).then_some(&Preprocess::None)) else {
            let presets = Preprocess::PRESETS.join(", ");
            return Err(Error::fit(format!("images need {}: {presets}, or a file", Hint::Preprocess)));
        };
        let pipeline = preprocess.pipeline(size)?;
        for input in inputs {
            check_dtype(&pipeline, dtype(input)?, &input.name)?;
        }
        let numbers = || {
            pipeline.steps.iter().filter_map(|s| match s.work() {
                Work::Numbers(n) => Some(n),
                Work::Pixels(_) => None,
            })
        };
        if let Some(model) = &image
            && let Some((has, takes)) = numbers().find_map(|n| n.channels()).zip(model.channels)
            && has != takes
        {
            let why = format!("normalize has {has} channels, input `{}` of the model takes {takes}", model.name);
            return Err(Error::fit(why));
        }
        let tables = (numbers().next().is_some()).then(|| tables(&numbers().collect::<Vec<_>>()));
        let (inputs, limits) = (inputs.to_vec(), limits.clone());
        Ok(Preparer { inputs, pipeline, image, tables, limits, seed })
    }

    /// Prepares one sample. Random steps depend on the seed, the epoch and the index only.
    pub fn prepare(&self, sample: Sample, name: String, index: usize, epoch: u64) -> Result<Prepared> {
        let (parts, frame) = match sample.content {
            Content::Encoded(bytes) => {
                let image = decode(&bytes, &self.limits).map_err(|why| Error::sample(&name, why))?;
                self.image(image, &name, index, epoch)?
            }
            Content::Image(image) => self.image(image, &name, index, epoch)?,
            Content::Tensors(tensors) => (self.tensors(tensors, &name)?, None),
            Content::Tokens(given) => (tokens::parts(given, &self.inputs, &self.pipeline.tokens, &name)?, None),
        };
        Ok(Prepared { parts, target: sample.target, name, frame })
    }

    fn image(&self, image: Image, name: &str, index: usize, epoch: u64) -> Result<(Vec<SamplePart>, Option<Frame>)> {
        let bad = |why: String| Error::sample(name, why);
        let Some(model) = &self.image else {
            return Err(bad("it is an image, the samples before were none".into()));
        };
        let frame = Frame::whole(image.width(), image.height());
        let mut shot = Shot { image, frame };
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        rng.set_stream(index as u64);
        for step in &self.pipeline.steps {
            if let Work::Pixels(step) = step.work() {
                shot = step.apply(shot, &mut rng).map_err(bad)?;
            }
        }
        let mut image = shot.image;
        match (image.channels(), model.channels) {
            (1, Some(3)) => image = repeated(&image).ok_or_else(|| bad("it has no pixels".into()))?,
            (3, Some(1)) => {
                let why = "the image has 3 channels, the model takes 1: a step of kind color, order grey, makes one";
                return Err(Error::fit(format!("sample {name}: {why}")));
            }
            (has, Some(takes)) if has != takes => {
                return Err(Error::fit(format!(
                    "sample {name}: the image has {has} channels, the model takes {takes}"
                )));
            }
            _ => {}
        }
        let (h, w) = (image.height(), image.width());
        if model.size[0].is_some_and(|n| n != h) || model.size[1].is_some_and(|n| n != w) {
            let side = |n: Option<usize>| n.map_or_else(|| "any".to_owned(), |n| n.to_string());
            let takes = format!("{} x {}", side(model.size[0]), side(model.size[1]));
            let why = format!("preprocessing gives {h} x {w} (height x width), input `{}` takes {takes}", model.name);
            return Err(Error::fit(format!("sample {name}: {why}; add a resize, crop or letterbox step")));
        }
        let c = image.channels();
        let shape = match model.layout {
            AxisLayout::Nchw => [c, h, w],
            AxisLayout::Nhwc => [h, w, c],
        };
        let data = match &self.tables {
            None if model.dtype == DType::Uint8 => laid(&image, model.layout, |v, _| v).into(),
            None => from_f32(laid(&image, model.layout, |v, _| f32::from(v)), model.dtype).map_err(bad)?,
            Some(tables) => {
                let value = |v: u8, c: usize| tables.get(c).map_or(f32::NAN, |t| t[usize::from(v)]);
                from_f32(laid(&image, model.layout, value), model.dtype).map_err(Error::fit)?
            }
        };
        let tensor = Tensor::new(shape, data).map_err(|e| bad(e.to_string()))?;
        Ok((vec![SamplePart::Tensor(tensor)], Some(shot.frame)))
    }

    /// Tensors for the model's inputs: by name, those without a name in order.
    fn tensors(&self, mut given: Vec<(String, Tensor)>, name: &str) -> Result<Vec<SamplePart>> {
        let mut parts = Vec::new();
        let named: Vec<bool> = self.inputs.iter().map(|i| given.iter().any(|(n, _)| *n == i.name)).collect();
        for (input, named) in self.inputs.iter().zip(named) {
            let wanted = if named { input.name.as_str() } else { "" };
            let Some(at) = given.iter().position(|(n, _)| n == wanted) else {
                let names: Vec<&str> = given.iter().map(|(n, _)| n.as_str()).filter(|n| !n.is_empty()).collect();
                let why = format!("nothing is there for input `{}`; the data has: {}", input.name, names.join(", "));
                return Err(Error::fit(why));
            };
            let (_, tensor) = given.swap_remove(at);
            parts.push(SamplePart::Tensor(fitting(tensor, input, name)?));
        }
        if let Some((extra, _)) = given.first() {
            let names: Vec<&str> = self.inputs.iter().map(|i| i.name.as_str()).collect();
            return Err(Error::fit(format!("the data has '{extra}', the model has only: {}", names.join(", "))));
        }
        Ok(parts)
    }
}

/// A tensor as `input` takes it, without the batch axis.
fn fitting(tensor: Tensor, input: &IoInfo, name: &str) -> Result<Tensor> {
    if let Some(dims) = &input.dims {
        let dims = dims.get(1..).unwrap_or_default();
        let fits = |(dim, size): (&Dim, &usize)| !matches!(dim, Dim::Fixed(n) if n != size);
        if dims.len() != tensor.shape().len() || !dims.iter().zip(tensor.shape()).all(fits) {
            let shown = |d: &Dim| match d {
                Dim::Fixed(n) => n.to_string(),
                Dim::Symbol(s) => s.clone(),
                Dim::Unknown => "?".to_owned(),
            };
            let takes: Vec<String> = dims.iter().map(shown).collect();
            let (takes, has) = (takes.join(", "), tensor.shape());
            return Err(Error::fit(format!("sample {name} has shape {has:?}, input `{}` takes [{takes}]", input.name)));
        }
    }
    if let Some((at, value)) = tensor.first_non_finite() {
        return Err(Error::sample(name, format!("element {at} for input `{}` is {value}", input.name)));
    }
    let given = tensor.dtype();
    convert(tensor, dtype(input)?).map_err(|why| {
        let given = given.name();
        Error::fit(format!("sample {name} is {given}, input `{}` is not: {why}", input.name))
    })
}

/// What every byte becomes in each of three channels.
fn tables(steps: &[&dyn Numbers]) -> Vec<[f32; 256]> {
    let value = |c: usize, v: usize| steps.iter().fold(v as f32, |x, step| step.apply(x, c));
    (0..3).map(|c| std::array::from_fn(|v| value(c, v))).collect()
}

/// Values in the order of `layout`.
fn laid<T>(image: &Image, layout: AxisLayout, value: impl Fn(u8, usize) -> T) -> Vec<T> {
    let channels = image.channels();
    let pixels = image.pixels();
    match layout {
        AxisLayout::Nhwc => pixels.iter().enumerate().map(|(i, v)| value(*v, i % channels)).collect(),
        AxisLayout::Nchw => {
            let mut all = Vec::with_capacity(pixels.len());
            for c in 0..channels {
                all.extend(pixels.iter().skip(c).step_by(channels).map(|v| value(*v, c)));
            }
            all
        }
    }
}

/// Joins samples; `rows` is the batch size that the model fixes.
pub(super) fn assemble(samples: Vec<Prepared>, inputs: &[IoInfo], rows: usize) -> Result<Batch> {
    let mut batch = Batch::default();
    let mut columns: Vec<Vec<SamplePart>> = inputs.iter().map(|_| Vec::new()).collect();
    for sample in samples {
        columns.iter_mut().zip(sample.parts).for_each(|(column, part)| column.push(part));
        batch.targets.push(sample.target);
        batch.names.push(sample.name);
        batch.frames.extend(sample.frame);
    }
    for (input, column) in inputs.iter().zip(columns) {
        let tensors = tokens::leveled(column).map_err(Error::fit)?;
        let tensor = stack(tensors, rows).map_err(|why| Error::fit(format!("input `{}`: {why}", input.name)))?;
        batch.inputs.push((input.name.clone(), tensor));
    }
    Ok(batch)
}
