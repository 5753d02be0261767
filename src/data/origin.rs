use serde::{Deserialize, Serialize};

/// Which data was read, and how: what a report says of it, enough to read the same again.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DataOrigin {
    /// Where it lies, as it was given.
    pub path: String,
    /// The split, as [`super::Split`] reads it; `null` for the usual one.
    pub split: Option<String>,
    /// Samples that were used, `null` for all.
    pub samples: Option<usize>,
    /// Samples at a time.
    pub batch: usize,
    /// What happened to images: the name of a preset, or a pipeline.
    pub preprocess: Option<serde_json::Value>,
}
