//! From a sample to what the model's inputs take.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::convert::{convert, from_f32, stack};
use super::dataset::{Content, Sample};
use super::decode::decode;
use super::fit::{PictureInput, check_dtype, dtype, picture_input};
use super::picture::Picture;
use super::pipeline::{Layout, Pipeline, Preprocess};
use super::steps::{Numbers, Shot, Work, repeated};
use super::{Batch, Error, Frame, Limits, Result, Target, tokens};
use crate::hint::Hint;
use crate::onnx::DType;
use crate::runtime::{Dim, IoInfo, Tensor};

/// One sample, ready to be put into a batch.
pub(super) struct Prepared {
    /// One for each input of the model, in order.
    pub parts: Vec<Part>,
    pub target: Target,
    pub name: String,
    pub frame: Option<Frame>,
}

/// What one input of the model gets for one sample.
pub(super) enum Part {
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
    picture: Option<PictureInput>,
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
        let pictures = matches!(content, Content::Encoded(_) | Content::Picture(_));
        let steps = match preprocess {
            None | Some(Preprocess::None) => false,
            Some(Preprocess::Declared(p)) => !p.steps.is_empty(),
            Some(_) => true,
        };
        if !pictures && steps {
            let why = format!(
                "it holds no pictures, which the steps of {} are for: leave it out, or give none",
                Hint::Preprocess
            );
            return Err(Error::fit(why));
        }
        let declared = match preprocess {
            Some(Preprocess::Declared(p)) => p.layout,
            _ => None,
        };
        let picture = pictures.then(|| picture_input(inputs, declared)).transpose()?;
        let size = picture.as_ref().and_then(|p| Some([p.size[0]?, p.size[1]?]));
        let Some(preprocess) = preprocess.or((!pictures).then_some(&Preprocess::None)) else {
            let presets = Preprocess::PRESETS.join(", ");
            return Err(Error::fit(format!("pictures need {}: {presets}, or a file", Hint::Preprocess)));
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
        if let Some(model) = &picture
            && let Some((has, takes)) = numbers().find_map(|n| n.channels()).zip(model.channels)
            && has != takes
        {
            let why = format!("normalize has {has} channels, input `{}` of the model takes {takes}", model.name);
            return Err(Error::fit(why));
        }
        let tables = (numbers().next().is_some()).then(|| tables(&numbers().collect::<Vec<_>>()));
        let (inputs, limits) = (inputs.to_vec(), limits.clone());
        Ok(Preparer { inputs, pipeline, picture, tables, limits, seed })
    }

    /// Prepares one sample. Random steps depend on the seed, the epoch and the index only.
    pub fn prepare(&self, sample: Sample, name: String, index: usize, epoch: u64) -> Result<Prepared> {
        let (parts, frame) = match sample.content {
            Content::Encoded(bytes) => {
                let picture = decode(&bytes, &self.limits).map_err(|why| Error::sample(&name, why))?;
                self.picture(picture, &name, index, epoch)?
            }
            Content::Picture(picture) => self.picture(picture, &name, index, epoch)?,
            Content::Tensors(tensors) => (self.tensors(tensors, &name)?, None),
            Content::Tokens(given) => (tokens::parts(given, &self.inputs, &self.pipeline.tokens, &name)?, None),
        };
        Ok(Prepared { parts, target: sample.target, name, frame })
    }

    fn picture(&self, picture: Picture, name: &str, index: usize, epoch: u64) -> Result<(Vec<Part>, Option<Frame>)> {
        let bad = |why: String| Error::sample(name, why);
        let Some(model) = &self.picture else {
            return Err(bad("it is a picture, the samples before were none".into()));
        };
        let frame = Frame::whole(picture.width(), picture.height());
        let mut shot = Shot { picture, frame };
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        rng.set_stream(index as u64);
        for step in &self.pipeline.steps {
            if let Work::Pixels(step) = step.work() {
                shot = step.apply(shot, &mut rng).map_err(bad)?;
            }
        }
        let mut picture = shot.picture;
        match (picture.channels(), model.channels) {
            (1, Some(3)) => picture = repeated(&picture).ok_or_else(|| bad("it has no pixels".into()))?,
            (3, Some(1)) => {
                let why = "the picture has 3 channels, the model takes 1: a step of kind color, order grey, makes one";
                return Err(Error::fit(format!("sample {name}: {why}")));
            }
            (has, Some(takes)) if has != takes => {
                return Err(Error::fit(format!(
                    "sample {name}: the picture has {has} channels, the model takes {takes}"
                )));
            }
            _ => {}
        }
        let (h, w) = (picture.height(), picture.width());
        if model.size[0].is_some_and(|n| n != h) || model.size[1].is_some_and(|n| n != w) {
            let side = |n: Option<usize>| n.map_or_else(|| "any".to_owned(), |n| n.to_string());
            let takes = format!("{} x {}", side(model.size[0]), side(model.size[1]));
            let why = format!("preprocessing gives {h} x {w} (height x width), input `{}` takes {takes}", model.name);
            return Err(Error::fit(format!("sample {name}: {why}; add a resize, crop or letterbox step")));
        }
        let c = picture.channels();
        let shape = match model.layout {
            Layout::Nchw => [c, h, w],
            Layout::Nhwc => [h, w, c],
        };
        let data = match &self.tables {
            None if model.dtype == DType::Uint8 => laid(&picture, model.layout, |v, _| v).into(),
            None => from_f32(laid(&picture, model.layout, |v, _| f32::from(v)), model.dtype).map_err(bad)?,
            Some(tables) => {
                let value = |v: u8, c: usize| tables.get(c).map_or(f32::NAN, |t| t[usize::from(v)]);
                from_f32(laid(&picture, model.layout, value), model.dtype).map_err(Error::fit)?
            }
        };
        let tensor = Tensor::new(shape, data).map_err(|e| bad(e.to_string()))?;
        Ok((vec![Part::Tensor(tensor)], Some(shot.frame)))
    }

    /// Tensors for the model's inputs: by name, those without a name in order.
    fn tensors(&self, mut given: Vec<(String, Tensor)>, name: &str) -> Result<Vec<Part>> {
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
            parts.push(Part::Tensor(fitting(tensor, input, name)?));
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
fn laid<T>(picture: &Picture, layout: Layout, value: impl Fn(u8, usize) -> T) -> Vec<T> {
    let channels = picture.channels();
    let pixels = picture.pixels();
    match layout {
        Layout::Nhwc => pixels.iter().enumerate().map(|(i, v)| value(*v, i % channels)).collect(),
        Layout::Nchw => {
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
    let mut columns: Vec<Vec<Part>> = inputs.iter().map(|_| Vec::new()).collect();
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
