//! What a run has to tell: as data, as JSON that can be replayed, as rows of text, as a diagram.

mod data;
mod dot;
mod evaluation;
mod evaluation_rows;
mod file;
mod inspect;
pub mod text;

pub use data::{
    FrozenAxes, GroupChange, GroupSensitivity, LatencyReport, Likeness, ModelFigures, Overview, Recipe, Recovery,
    Report, SensitivityMeasure, SensitivityPoint, SensitivityReport, Settings, StandIn, TargetReport, TimeReport,
    Timings, UnreadableRecipe, VERSION, Verification, overview, recipe,
};
pub use dot::{OtherModel, dot};
pub use evaluation::{
    BatchLatency, ClassRow, ClassScore, EVALUATION_VERSION, EvaluatedData, EvaluatedModel, EvaluationReport, FigureRow,
    FoundBox, Prediction, Task,
};
pub use evaluation_rows::{Rows, class_heads, class_rows, evaluation_tables};
pub use file::Pending;
pub use inspect::{DimSize, FrozenReason, InspectedGroup, Inspection, Member, ModelFacts, Port, inspect};
