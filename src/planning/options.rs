//! What the user asks for.

use serde::{Deserialize, Serialize};

use super::axes::Axes;

/// Options of planning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Options {
    /// Number of linear steps from the whole model to an empty one; scores are renewed between steps.
    pub steps: usize,
    /// Kept channels are multiples of this.
    pub round_to: usize,
    /// Share of each group that stays under the protected-global scheme.
    pub floor: f64,
    /// Groups with a weight that one of these patterns matches are left alone.
    pub protect: Vec<String>,
    /// If not empty, only groups with a weight that one of these patterns matches shrink.
    pub only: Vec<String>,
    /// Fixed ratios of removed channels for groups with a matching weight; the last match counts.
    pub ratio_for: Vec<(String, f64)>,
    /// Kinds of axes that may shrink.
    pub axes: Axes,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            steps: 100,
            round_to: 1,
            floor: 0.1,
            protect: Vec::new(),
            only: Vec::new(),
            ratio_for: Vec::new(),
            axes: Axes::default(),
        }
    }
}
