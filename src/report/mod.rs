//! What a run has to tell: as data, as JSON that can be replayed, as rows of text, as a picture.

mod data;
mod dot;
mod file;
mod inspect;
pub mod text;

pub use data::{
    FrozenAxes, GroupChange, LatencyReport, ModelFigures, Overview, Recipe, Recovery, Report, Settings, Timings,
    UnreadableRecipe, VERSION, Verification, overview, recipe,
};
pub use dot::dot;
pub use file::Pending;
pub use inspect::{FrozenReason, InspectedGroup, Inspection, ModelFacts, Port, inspect};
