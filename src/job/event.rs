//! What a job tells on the way.

use serde::{Deserialize, Serialize};

/// Something that happened in a job. As JSON each is an object whose `event` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A stage begins, and the one before has ended.
    Stage {
        /// The stage.
        stage: Stage,
    },
    /// So much of the stage is done.
    Progress(Progress),
    /// Figures of the model as it is now.
    Figures {
        /// In the order in which they are shown.
        figures: Vec<Figure>,
    },
    /// Something that the user should know; it also stands in the result.
    Warning {
        /// In a sentence without a full stop.
        text: String,
    },
    /// Something that explains the result.
    Note {
        /// In a sentence without a full stop.
        text: String,
    },
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// So many are done.
    pub done: u64,
    /// Of so many, where that is known; a target that is reached early leaves some.
    pub total: Option<u64>,
    /// What is counted.
    pub unit: Unit,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unit {
    /// Samples of data.
    Samples,
    /// Models that are tried.
    Candidates,
    /// Layers of the model.
    Layers,
    /// Parts of the model.
    Parts,
    /// Models that were asked for.
    Models,
    /// Hundredths of the way to the target.
    Percent,
}

/// A part of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Stage {
    /// Models are read.
    Load,
    /// Shapes, groups and costs are found.
    Analyse,
    /// Calibration data is read, or drawn.
    Data,
    /// Activations are looked at.
    Calibrate,
    /// What the output loses as channels go is measured.
    Allocate,
    /// Ways to choose widths are tried.
    Try,
    /// One group after the other is made smaller and the model run.
    Sensitivity,
    /// The parts of the model are timed.
    Time,
    /// Candidates for a measured target are made and run.
    Search,
    /// Channels are chosen.
    Plan,
    /// Channels are removed.
    Rewrite,
    /// The result is written to where it can be checked.
    Write,
    /// The result is compared with the original.
    Verify,
    /// Accuracy is won back.
    Recover,
    /// Latency is measured.
    Measure,
    /// The file is put in place.
    Commit,
    /// Models are opened.
    Open,
    /// Models are run on data.
    Evaluate,
}

/// A figure of a model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Which.
    pub name: FigureName,
    /// Its value, which is finite.
    pub value: f64,
}

/// Figures that jobs tell on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FigureName {
    /// MACs, as a share of the original's.
    Macs,
    /// The speed-up in MACs that is tried.
    Speedup,
    /// Share of samples with the right class.
    Accuracy,
    /// Share of samples to which two models give the same class, or mean cosine of their outputs.
    Agreement,
}
