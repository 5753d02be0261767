//! What a run has to tell: as data, and as JSON that can be replayed.

mod data;

pub use data::{
    FrozenAxes, GroupChange, LatencyReport, ModelFigures, Overview, Recipe, Report, Settings, Timings,
    UnreadableRecipe, VERSION, overview, recipe,
};
