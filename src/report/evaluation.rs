//! What an evaluation has to tell. `schemas/evaluation.schema.json` describes the JSON.

use serde::{Deserialize, Serialize, Serializer};

use super::data::whole;
use crate::data::DataOrigin;
use crate::metrics::{ClassFigures, Confusion, Figure, Unit};
use crate::runtime::latency::Latency;
use crate::runtime::{Device, LoadedLibrary};

fn some_whole<S: Serializer>(x: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    match x {
        Some(x) => whole(x, to),
        None => to.serialize_none(),
    }
}

/// Version of the layout of [`EvaluationReport`].
pub const EVALUATION_VERSION: u32 = 1;

/// An evaluation of one or several models.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// Layout version.
    pub evaluation: u32,
    /// Version of the program.
    pub version: String,
    /// Runtime and version.
    pub runtime: String,
    /// The onnxruntime library that was loaded, and why that one; `null` where none was.
    pub library: Option<LoadedLibrary>,
    /// Where the models ran.
    pub device: Device,
    /// Threads of the runtime, where they were given.
    pub threads: Option<usize>,
    /// What the models were judged on.
    pub data: Option<EvaluatedData>,
    /// File name of the reference.
    pub against: Option<String>,
    /// Every model, in the order given.
    pub models: Vec<EvaluatedModel>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// What is asked of a model's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// One class for each sample.
    Classification,
    /// Boxes around objects.
    Detection,
    /// The outputs that the data gives.
    Outputs,
    /// Nothing: the data has no labels.
    Nothing,
}

/// The data of an evaluation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvaluatedData {
    /// Its name: the path.
    pub name: String,
    /// How it was read, where it lies on disk.
    pub origin: Option<DataOrigin>,
    /// Samples that the models were run on.
    pub samples: u64,
    /// Samples that could not be used.
    pub left_out: u64,
    /// What was evaluated.
    pub task: Task,
    /// Names of the classes, where the data set gives them.
    pub classes: Vec<String>,
}

/// One model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EvaluatedModel {
    /// File name.
    pub model: String,
    /// Multiply-accumulates for one sample; `null` where they are not known.
    #[serde(serialize_with = "some_whole")]
    pub macs: Option<f64>,
    /// Elements of weights.
    #[serde(serialize_with = "some_whole")]
    pub params: Option<f64>,
    /// Bytes of all files.
    pub bytes: u64,
    /// How good it is.
    pub figures: Vec<FigureRow>,
    /// The figures of each class.
    pub classes: Vec<ClassRow>,
    /// Samples per second that went through the model, without reading and preparing them.
    pub throughput: Option<f64>,
    /// Wall times of single runs, for each batch size.
    pub latency: Vec<BatchLatency>,
    /// Bytes that opening and running it added to the process, at the largest of these batch sizes.
    pub memory: Option<u64>,
    /// Which classes are taken for which; reported as a file of its own.
    #[serde(skip)]
    pub confusion: Option<Confusion>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FigureRow {
    /// Name.
    pub name: String,
    /// Value; `null` where nothing was there to judge, or it is not finite.
    pub value: Option<f64>,
    /// What it is a number of.
    pub unit: Unit,
}

impl From<Figure> for FigureRow {
    fn from(f: Figure) -> Self {
        FigureRow { name: f.name.to_owned(), value: f.value, unit: f.unit }
    }
}

/// The figures of one class: of a classifier precision, recall and F1, of a detector the average precisions; `null`
/// where there are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassRow {
    /// Name, or number.
    pub class: String,
    /// Samples, or objects.
    pub samples: u64,
    /// Of what was taken for this class, the share that is.
    pub precision: Option<f64>,
    /// Of what is of this class, the share that was recognised.
    pub recall: Option<f64>,
    /// Harmonic mean of both.
    pub f1: Option<f64>,
    /// Average precision over overlaps from 0.50 to 0.95.
    pub ap: Option<f64>,
    /// Average precision at an overlap of 0.50.
    pub ap50: Option<f64>,
}

impl ClassRow {
    /// The row of a classifier's class.
    pub fn of(class: String, f: &ClassFigures) -> Self {
        ClassRow {
            class,
            samples: f.samples,
            precision: f.precision,
            recall: f.recall,
            f1: f.f1,
            ..ClassRow::default()
        }
    }
}

/// Wall times at one batch size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BatchLatency {
    /// Samples in a run.
    pub batch: usize,
    /// Times in milliseconds.
    pub times: Latency,
}

/// What a model says about one sample.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prediction {
    /// File name of the model.
    pub model: String,
    /// Name of the sample in its data set.
    pub sample: String,
    /// The most likely classes, the likeliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassScore>,
    /// What was found in the image, the surest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boxes: Option<Vec<FoundBox>>,
}

/// A class and how likely it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClassScore {
    /// Name, or number.
    pub class: String,
    /// Probability.
    pub score: f64,
}

/// A box that was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FoundBox {
    /// Name of the class, or number.
    pub class: String,
    /// Left, top, width, height in pixels of the original.
    pub bbox: [f64; 4],
    /// How sure the detector is.
    pub score: f64,
}
