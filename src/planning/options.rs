//! What the user asks for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::axes::Axes;

/// In which steps scores are renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rescore {
    /// In every step.
    #[default]
    Always,
    /// In every so many steps.
    Every(usize),
    /// Never: the first scores stay.
    Once,
}

impl Rescore {
    /// Whether scores are renewed after so many steps.
    pub fn due(self, done: usize) -> bool {
        match self {
            Rescore::Always => true,
            Rescore::Every(n) => done.is_multiple_of(n),
            Rescore::Once => done == 0,
        }
    }
}

impl fmt::Display for Rescore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rescore::Always => f.write_str("always"),
            Rescore::Every(n) => write!(f, "every:{n}"),
            Rescore::Once => f.write_str("once"),
        }
    }
}

impl FromStr for Rescore {
    type Err = String;

    fn from_str(text: &str) -> Result<Rescore, String> {
        let every = |n: &str| n.parse().ok().filter(|n| *n > 0).map(Rescore::Every);
        let text = text.to_ascii_lowercase();
        match text.as_str() {
            "always" => Some(Rescore::Always),
            "once" => Some(Rescore::Once),
            _ => text.strip_prefix("every:").and_then(every),
        }
        .ok_or_else(|| "give always, once or every:N, as in every:10".to_owned())
    }
}

impl Serialize for Rescore {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rescore {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Rescore, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Options of planning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Options {
    /// Number of linear steps from the whole model to an empty one; scores are renewed between steps.
    pub steps: usize,
    /// In which of the steps scores are renewed.
    pub rescore: Rescore,
    /// Kept channels are multiples of this.
    pub round_to: usize,
    /// Groups with fewer channels than this keep any number.
    pub round_from: usize,
    /// Share of each group that stays under the protected-global scheme.
    pub floor: f64,
    /// Groups with a name, node or initializer that one of these patterns matches are left alone.
    pub protect: Vec<String>,
    /// If not empty, only groups with a name, node or initializer that one of these patterns matches shrink.
    pub only: Vec<String>,
    /// Fixed ratios of removed channels for groups that a pattern matches likewise; the last match counts.
    pub ratio_for: Vec<(String, f64)>,
    /// Kinds of axes that may shrink.
    pub axes: Axes,
    /// Whether uses of one weight may keep different channels.
    pub untie: bool,
}

impl Options {
    /// What the kept channels of a group of so many are multiples of.
    pub fn unit(&self, size: usize) -> usize {
        if size < self.round_from { 1 } else { self.round_to.max(1) }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            steps: 100,
            rescore: Rescore::Always,
            round_to: 1,
            round_from: 0,
            floor: 0.1,
            protect: Vec::new(),
            only: Vec::new(),
            ratio_for: Vec::new(),
            axes: Axes::default(),
            untie: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rescore_reads_what_it_writes() {
        for (text, due) in
            [("always", [true; 4]), ("once", [true, false, false, false]), ("every:2", [true, false, true, false])]
        {
            let r: Rescore = text.parse().unwrap();
            assert_eq!(r.to_string(), text);
            assert_eq!([0, 1, 2, 3].map(|t| r.due(t)), due);
        }
        for bad in ["", "every", "every:", "every:0", "every:-1", "sometimes"] {
            assert!(bad.parse::<Rescore>().is_err(), "{bad}");
        }
    }
}
