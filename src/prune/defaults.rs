//! What a run does unless it is told otherwise, by what there is to go by.

use super::{Error, PruneRequest};
use crate::criteria;
use crate::onnx::Model;
use crate::planning::{self, Scheme};
use crate::recovery::drawn;

/// Settings by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Importance criterion.
    pub criterion: &'static str,
    /// Scheme.
    pub scheme: &'static str,
    /// Whether layers are solved anew.
    pub refit: bool,
    /// Kept channels are multiples of this: kernels handle that many at once, and other widths take as long as the
    /// next multiple.
    pub round_to: usize,
    /// Narrower groups keep any number: a multiple would be far from what they need.
    pub round_from: usize,
    /// Linear steps from the whole model to an empty one.
    pub steps: usize,
}

/// A published protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// PruningBench (2024) before training: the same ratio in every layer, 400 steps, nothing rounded or solved anew.
    PruningBench,
}

impl Preset {
    /// All presets, by name.
    pub const ALL: [(&'static str, Preset); 1] = [("pruningbench", Preset::PruningBench)];

    /// What it sets.
    pub fn defaults(self) -> Defaults {
        match self {
            Preset::PruningBench => {
                Defaults { criterion: "l2", scheme: "local", refit: false, round_to: 1, round_from: 0, steps: 400 }
            }
        }
    }
}

impl Defaults {
    /// The settings that measured best (`docs/RECOVERY.md`): with data, or images that can be drawn in its place,
    /// widths by what the output loses and layers solved anew; for other models what their weights tell.
    pub fn of(model: &Model, data: bool) -> Defaults {
        let images = || model.graph().is_ok_and(drawn::takes_images);
        if data || images() { Defaults::MEASURED } else { Defaults::WEIGHTS }
    }

    /// What is done where nothing can stand in for data after all.
    pub fn otherwise(model: &Model, data: bool) -> Option<Defaults> {
        (!data && Defaults::of(model, data) != Defaults::WEIGHTS).then_some(Defaults::WEIGHTS)
    }

    /// The criterion where a scheme was asked for, or solving layers anew was not wanted: without samples, one that
    /// looks at weights alone.
    pub fn criterion(self, scheme: &dyn Scheme, samples: bool) -> &'static str {
        if samples || scheme.follows_curves() { self.criterion } else { Defaults::WEIGHTS.criterion }
    }

    /// Makes a request follow these.
    pub(super) fn settle(self, request: &mut PruneRequest) -> Result<(), Error> {
        request.criterion = criteria::find(self.criterion)?;
        request.scheme = planning::find_scheme(self.scheme)?;
        request.recover.refit = self.refit;
        Ok(())
    }

    const MEASURED: Defaults =
        Defaults { criterion: "obs", scheme: "allocate", refit: true, round_to: 8, round_from: 24, steps: 100 };
    pub(super) const WEIGHTS: Defaults =
        Defaults { criterion: "l2", scheme: "protected-global", refit: false, ..Defaults::MEASURED };
}
