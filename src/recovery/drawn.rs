//! What stands in for data where there is none: drawn images for a model of images, in the range that it was
//! trained on as far as its first layers tell; random numbers for others.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::quality::outputs;
use super::samples::{Samples, declared};
use super::segments::{Network, Runner};
use super::store::Room;
use crate::analysis::Analysis;
use crate::data::{Batch, BatchSource, InMemory, Label, Pass, SourceError, dead_leaves};
use crate::onnx::proto::GraphProto;
use crate::report::StandIn;
use crate::rewriting;
use crate::runtime::{Dim, IoInfo, Tensor};
use crate::statistics::{Lot, Reading, Sampler, layers};
use crate::tensor::DType;

/// Small images that are drawn, and large ones: these have more positions.
const IMAGES: [usize; 2] = [256, 128];

/// Pixels of an image that is large.
const LARGE: usize = 96 * 96;

/// Pixels along a side of the smallest image.
const SMALLEST: usize = 16;

/// Channels that an image has at most.
const CHANNELS: usize = 16;

/// Images that go through the model at once, where it takes any number.
const BATCH: usize = 32;

/// Random inputs where the model takes no images.
const RANDOM: u64 = 64;

/// Images that tell ranges apart, and the first layers that are asked.
const ASKED: (usize, usize) = (8, 6);

/// Positions in an image that are looked at to tell ranges apart.
const POSITIONS: usize = 1024;

/// What pixels from 0 to 1 become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// Mean 0 and deviation 1.
    Standard,
    /// As they are.
    Unit,
    /// From -1 to 1.
    Symmetric,
    /// From 0 to 255.
    Bytes,
}

impl Scaling {
    const ALL: [Scaling; 4] = [Scaling::Standard, Scaling::Unit, Scaling::Symmetric, Scaling::Bytes];

    fn apply(self, pixel: f32) -> f32 {
        // Mean and deviation of the drawn images.
        const MEAN: f32 = 0.5;
        const DEVIATION: f32 = 0.29;
        match self {
            Scaling::Standard => (pixel - MEAN) / DEVIATION,
            Scaling::Unit => pixel,
            Scaling::Symmetric => 2.0 * pixel - 1.0,
            Scaling::Bytes => 255.0 * pixel,
        }
    }
}

/// How an image lies in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ImageLayout {
    channels: usize,
    height: usize,
    width: usize,
    channels_last: bool,
}

impl ImageLayout {
    /// `None` where sizes are not those of images; unknown ones may be.
    fn of(dims: &[Option<usize>]) -> Option<ImageLayout> {
        let [_, b, c, d] = *dims else { return None };
        let few = |n: Option<usize>| n.filter(|n| (1..=CHANNELS).contains(n));
        let side = |n: Option<usize>| n.unwrap_or(SMALLEST) >= SMALLEST;
        let known = |n: Option<usize>| n.unwrap_or(0);
        match (few(b), few(d)) {
            (Some(channels), _) if side(c) && side(d) => {
                Some(ImageLayout { channels, height: known(c), width: known(d), channels_last: false })
            }
            (_, Some(channels)) if side(b) && side(c) => {
                Some(ImageLayout { channels, height: known(b), width: known(c), channels_last: true })
            }
            _ => None,
        }
    }
}

/// Drawn images for the only input of a model.
#[derive(Clone, Debug)]
pub struct Drawn {
    input: String,
    layout: ImageLayout,
    /// Images in a batch.
    batch: usize,
    count: usize,
    scaling: Scaling,
    seed: u64,
}

impl Drawn {
    /// For a model whose only input, as far as it is declared, takes images.
    fn for_model(a: &Analysis, seed: u64) -> Option<Drawn> {
        let inputs = a.graph.free_inputs();
        let [input] = inputs[..] else { return None };
        let id = a.graph.id(input.name())?;
        if a.facts.tensors[id].dtype != DType::Float {
            return None;
        }
        let shape = a.facts.concrete(id, &a.facts.bindings)?;
        let layout = ImageLayout::of(&shape.iter().copied().map(Some).collect::<Vec<_>>())?;
        let fixed = match declared(a.graph.proto()).first().and_then(|i| i.dims.as_ref()?.first().cloned()) {
            Some(Dim::Fixed(n)) => Some(n),
            _ => None,
        };
        let count = IMAGES[usize::from(layout.height * layout.width > LARGE)];
        let input = input.name().to_owned();
        Some(Drawn { input, layout, batch: fixed.unwrap_or(BATCH).max(1), count, scaling: Scaling::Standard, seed })
    }

    fn scaled(&self, scaling: Scaling, count: usize) -> Drawn {
        Drawn { scaling, count, ..self.clone() }
    }

    fn make(&self, number: usize) -> std::result::Result<Batch, SourceError> {
        let ImageLayout { channels, height, width, channels_last } = self.layout;
        let mut values = Vec::with_capacity(self.batch * channels * height * width);
        for image in number * self.batch..(number + 1) * self.batch {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(image as u64);
            let planes = dead_leaves(channels, height, width, &mut rng);
            let area = height * width;
            let pixel = |i: usize| match channels_last {
                true => planes[i % channels * area + i / channels],
                false => planes[i],
            };
            values.extend((0..planes.len()).map(|i| self.scaling.apply(pixel(i))));
        }
        let shape = match channels_last {
            true => [self.batch, height, width, channels],
            false => [self.batch, channels, height, width],
        };
        let names = (0..self.batch).map(|k| format!("drawn {}", number * self.batch + k)).collect();
        Ok(Batch {
            inputs: vec![(self.input.clone(), Tensor::new(shape, values)?)],
            targets: vec![Label::Unknown; self.batch],
            names,
            frames: Vec::new(),
        })
    }
}

impl BatchSource for Drawn {
    fn pass(&self, _: &[IoInfo]) -> std::result::Result<Pass<'_>, SourceError> {
        Ok(Pass::new((0..self.count.div_ceil(self.batch)).map(|k| self.make(k))))
    }
}

/// Whether a model takes images, as far as it declares its inputs, so that some can be drawn for it.
pub fn takes_images(graph: &GraphProto) -> bool {
    let inputs = declared(graph);
    let [input] = &inputs[..] else { return false };
    let size = |d: &Dim| match d {
        Dim::Fixed(n) => Some(*n),
        _ => None,
    };
    let dims: Option<Vec<Option<usize>>> = input.dims.as_ref().map(|dims| dims.iter().map(size).collect());
    input.dtype == DType::Float && dims.is_some_and(|d| ImageLayout::of(&d).is_some())
}

/// What stands in for data, read for the model.
///
/// # Errors
/// When an input has no known shape, or the model cannot be run.
pub fn stand_in(a: &Analysis, seed: u64, room: &Room, runner: Runner) -> rewriting::Result<Samples> {
    let read = |source: &dyn BatchSource, of: StandIn| -> rewriting::Result<Samples> {
        let mut samples = Samples::read(source, a.graph.proto(), seed, room)?;
        samples.stand_in = Some(of);
        Ok(samples)
    };
    let Some(drawn) = Drawn::for_model(a, seed) else {
        return read(&random(a, seed, RANDOM)?, StandIn::RandomInputs);
    };
    // Whether the model runs at all is known before anything rests on it.
    let few = Samples::read(&drawn.scaled(Scaling::Standard, 1), a.graph.proto(), seed, room)?;
    outputs(&mut Network::new(&a.graph.model, &few, 0..few.batches(), runner), &few, 0..few.batches())?;
    let mut best: Option<(f64, Scaling)> = None;
    for scaling in Scaling::ALL {
        let strange = strangeness(a, &drawn.scaled(scaling, ASKED.0), runner)?;
        if best.is_none_or(|b| strange < b.0) {
            best = Some((strange, scaling));
        }
    }
    let scaling = best.map_or(Scaling::Standard, |b| b.1);
    read(&drawn.scaled(scaling, drawn.count), StandIn::DrawnImages)
}

/// Random inputs as data.
///
/// # Errors
/// When an input has no known shape or a type that no random values exist for.
pub fn random(a: &Analysis, seed: u64, count: u64) -> rewriting::Result<InMemory> {
    let batch = |i: u64| {
        let inputs = rewriting::concrete_inputs(a, seed.wrapping_add(i << 32))?;
        Ok(Batch { inputs, targets: vec![Label::Unknown], names: vec![format!("random {i}")], frames: Vec::new() })
    };
    (0..count).map(batch).collect::<rewriting::Result<_>>().map(InMemory)
}

/// How far the first layers' channels are from mean 0 and variance 1, which normalisations have seen to in training:
/// the mean Kullback-Leibler divergence of normal distributions.
fn strangeness(a: &Analysis, drawn: &Drawn, runner: Runner) -> rewriting::Result<f64> {
    let samples = Samples::read(drawn, a.graph.proto(), 0, &Room::default())?;
    let batches = 0..samples.batches();
    let mut network = Network::new(&a.graph.model, &samples, batches.clone(), runner);
    let mut found = Vec::new();
    for layer in layers(a).iter().take(ASKED.1) {
        let name = a.graph.name(layer.output);
        // Layers that are not in the order of their inputs tell nothing any more.
        if network.advance(&[name]).is_err() {
            continue;
        }
        let mut sums = vec![[0.0f64; 2]; layer.consumer.outputs];
        let mut rows = 0usize;
        let channels: Vec<usize> = (0..sums.len()).collect();
        for k in batches.clone() {
            let tensor = network.get(name, k)?;
            let Some(values) = super::floats(&tensor) else { continue };
            let lot = Lot { samples: samples.count(k..k + 1), filled: samples.filled(k), before: samples.count(0..k) };
            let sampler = Sampler { seed: 0, positions: POSITIONS };
            let of = Reading::of(&layer.consumer).outputs(&values, tensor.shape(), &channels, lot, sampler);
            let Ok(of) = of else { continue };
            for row in of.chunks_exact(sums.len().max(1)) {
                rows += 1;
                for (o, (sum, value)) in sums.iter_mut().zip(row).enumerate() {
                    let z = f64::from(layer.after.scale[o] * value + layer.after.shift[o]);
                    *sum = [sum[0] + z, sum[1] + z * z];
                }
            }
        }
        let apart = |[sum, squares]: &[f64; 2]| {
            let mean = sum / rows.max(1) as f64;
            let variance = (squares / rows.max(1) as f64 - mean * mean).max(1e-6);
            (mean * mean + variance - 1.0 - variance.ln()) / 2.0
        };
        if rows > 0 {
            found.push(sums.iter().map(apart).sum::<f64>() / sums.len().max(1) as f64);
        }
    }
    let mean = found.iter().sum::<f64>() / found.len().max(1) as f64;
    Ok(if found.is_empty() || !mean.is_finite() { f64::INFINITY } else { mean })
}
