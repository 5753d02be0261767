//! Settings that messages point to. The library has no command line: it names a setting by its type, and whoever shows
//! the message says what the setting is called there.

use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// A setting that would help, or is at fault. In messages it reads as [`set_words`] says, else as the field of the
/// library that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Hint {
    /// A model to compare with.
    Against,
    /// Kinds of axes that may shrink.
    Axes,
    /// Samples in a batch.
    Batch,
    /// Calibration data, or data to evaluate on.
    Data,
    /// Initializers stop being graph inputs.
    DropInitializerInputs,
    /// The share of each group that stays.
    Floor,
    /// A listing of all groups and nodes of a model.
    Inspect,
    /// How many samples may be bad.
    MaxBad,
    /// Groups that alone may shrink.
    Only,
    /// The onnxruntime library.
    OrtLibrary,
    /// What happens to images before a model sees them.
    Preprocess,
    /// Groups that stay.
    Protect,
    /// The share of a group that goes.
    RatioFor,
    /// How the weights of a group make one score per channel.
    Reduction,
    /// Layers are solved again after pruning.
    Refit,
    /// Widths that are multiples of a number.
    RoundTo,
    /// How long a run may take.
    RunTimeout,
    /// Seed of everything random.
    Seed,
    /// Sizes of open input dimensions.
    Shapes,
    /// A target in MACs.
    Speedup,
    /// The part of a data set.
    Split,
    /// Debug metadata is removed.
    StripDebug,
}

impl Hint {
    /// Every hint.
    pub const ALL: [Hint; 22] = [
        Hint::Against,
        Hint::Axes,
        Hint::Batch,
        Hint::Data,
        Hint::DropInitializerInputs,
        Hint::Floor,
        Hint::Inspect,
        Hint::MaxBad,
        Hint::Only,
        Hint::OrtLibrary,
        Hint::Preprocess,
        Hint::Protect,
        Hint::RatioFor,
        Hint::Reduction,
        Hint::Refit,
        Hint::RoundTo,
        Hint::RunTimeout,
        Hint::Seed,
        Hint::Shapes,
        Hint::Speedup,
        Hint::Split,
        Hint::StripDebug,
    ];

    /// The field of the library that holds the setting.
    pub fn field(self) -> &'static str {
        match self {
            Hint::Against => "against",
            Hint::Axes => "axes",
            Hint::Batch => "batch",
            Hint::Data => "data",
            Hint::DropInitializerInputs => "drop_initializer_inputs",
            Hint::Floor => "floor",
            Hint::Inspect => "inspect",
            Hint::MaxBad => "max_bad",
            Hint::Only => "only",
            Hint::OrtLibrary => "library",
            Hint::Preprocess => "preprocess",
            Hint::Protect => "protect",
            Hint::RatioFor => "ratio_for",
            Hint::Reduction => "reduction",
            Hint::Refit => "refit",
            Hint::RoundTo => "round_to",
            Hint::RunTimeout => "limit",
            Hint::Seed => "seed",
            Hint::Shapes => "shapes",
            Hint::Speedup => "Target::Speedup",
            Hint::Split => "split",
            Hint::StripDebug => "strip_debug",
        }
    }
}

static WORDS: OnceLock<fn(Hint) -> &'static str> = OnceLock::new();

/// Says what settings are called where messages are shown. Only the first call counts: it is for programs, once, before
/// anything runs.
pub fn set_words(words: fn(Hint) -> &'static str) {
    WORDS.get_or_init(|| words);
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match WORDS.get() {
            Some(words) => f.write_str(words(*self)),
            None => write!(f, "`{}`", self.field()),
        }
    }
}

/// A manual page with its settings, which stand there as fields in backticks, in the words of whoever shows it.
pub fn worded(page: &str) -> String {
    Hint::ALL.iter().fold(page.to_owned(), |text, hint| match WORDS.get() {
        Some(words) => text.replace(&format!("`{}`", hint.field()), &format!("`{}`", words(*hint))),
        None => text,
    })
}
