//! Which part of a data set is read: a split by name, a share of it, or both.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::dataset::{Dataset, Subset};
use super::{Error, Result};
use crate::hint::Hint;

/// SamplePart of a data set, as `test`, `train[:80%]`, `train[80%:]` or `[10%:20%]`. A share is taken after shuffling with
/// the seed, so that `[:80%]` and `[80%:]` share no sample.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Split {
    /// The data set's own name for it.
    pub name: Option<String>,
    /// Start and end of the share, 0 to 1.
    pub share: Option<(f64, f64)>,
}

impl FromStr for Split {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = || format!("'{text}' is no split: write test, train[:80%], train[80%:] or [10%:20%]");
        let (name, share) = match text.split_once('[') {
            None => (text, None),
            Some((name, rest)) => {
                let (from, to) = rest.strip_suffix(']').and_then(|r| r.split_once(':')).ok_or_else(help)?;
                let bound = |text: &str, open: f64| match text.trim() {
                    "" => Some(open),
                    t => t.strip_suffix('%')?.trim().parse::<f64>().ok().map(|p| p / 100.0),
                };
                let (from, to) = bound(from, 0.0).zip(bound(to, 1.0)).ok_or_else(help)?;
                // NaN is in no range.
                if !(0.0..=1.0).contains(&from) || !(0.0..=1.0).contains(&to) || from >= to {
                    return Err(help());
                }
                (name, Some((from, to)))
            }
        };
        let name = Some(name.trim()).filter(|n| !n.is_empty()).map(str::to_owned);
        if name.is_none() && share.is_none() {
            return Err(help());
        }
        Ok(Split { name, share })
    }
}

/// As it is written on the command line.
impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or_default())?;
        match self.share {
            // The shortest digits that read back as the same share.
            Some((from, to)) => write!(f, "[{}:{}]", percent(from), percent(to)),
            None => Ok(()),
        }
    }
}

fn percent(share: f64) -> String {
    let digits = (0..=15).map(|n| format!("{:.n$}", 100.0 * share));
    let read = |text: &String| text.parse::<f64>().is_ok_and(|p| p / 100.0 == share);
    let shown = digits.into_iter().find(read).unwrap_or_else(|| (100.0 * share).to_string());
    format!("{shown}%")
}

/// What data is wanted for: which split is read when none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// Measuring: the test split, else the validation split.
    #[default]
    Evaluate,
    /// Statistics, calibration, training: the training split.
    Calibrate,
}

/// Names that data sets give to splits, with those that mean the same.
const TRAIN: &[&str] = &["train", "training"];
const TEST: &[&str] = &["test", "testing", "t10k"];
const VALIDATION: &[&str] = &["val", "valid", "validation", "dev"];

/// Whether a folder or file of this name is a split and not a class.
pub(super) fn is_split(name: &str) -> bool {
    let name = plain(name);
    [TRAIN, TEST, VALIDATION].iter().any(|known| known.contains(&name.as_str()))
}

/// Without case and year: `val2017` is `val`.
fn plain(name: &str) -> String {
    let name = name.to_lowercase();
    let year = name.len().checked_sub(4).and_then(|at| Some((name.get(..at)?, name.get(at..)?)));
    match year {
        Some((stem, digits)) if !stem.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => stem.to_owned(),
        _ => name,
    }
}

/// Whether two names mean the same split.
fn same(a: &str, b: &str) -> bool {
    let (a, b) = (plain(a), plain(b));
    let both = |known: &[&str]| known.contains(&a.as_str()) && known.contains(&b.as_str());
    a == b || both(TRAIN) || both(TEST) || both(VALIDATION)
}

/// What a format is asked for.
pub(super) struct Wanted<'a> {
    pub path: &'a Path,
    pub split: Option<&'a str>,
    pub purpose: Purpose,
}

impl Wanted<'_> {
    /// Which of the splits found is read. Names are in any order, each once; one that is empty means all that there
    /// is.
    pub fn choose(&self, found: &[String]) -> Result<usize> {
        let list = || found.iter().filter(|n| !n.is_empty()).map(String::as_str).collect::<Vec<_>>().join(", ");
        let fail = |why: String| Error::Split { path: self.path.to_owned(), why };
        if let Some(name) = self.split {
            let exact = found.iter().position(|f| f == name);
            let alike = || found.iter().position(|f| same(f, name));
            return exact.or_else(alike).ok_or_else(|| {
                fail(match list() {
                    known if known.is_empty() => format!("it has no splits, so there is no '{name}'"),
                    known => format!("it has no split '{name}'; it has {known}"),
                })
            });
        }
        if found.len() == 1 {
            return Ok(0);
        }
        let order: &[&[&str]] = match self.purpose {
            Purpose::Evaluate => &[TEST, VALIDATION],
            Purpose::Calibrate => &[TRAIN],
        };
        let mut wanted = order.iter().flat_map(|names| names.iter());
        let at = wanted.find_map(|w| found.iter().position(|f| plain(f) == **w));
        at.ok_or_else(|| fail(format!("it has the splits {}; choose one with {}", list(), Hint::Split)))
    }
}

/// The share of a data set that `split` asks for.
pub(super) fn share(whole: Box<dyn Dataset>, split: Option<(f64, f64)>, seed: u64) -> Box<dyn Dataset> {
    let Some((from, to)) = split else { return whole };
    let count = whole.len();
    let mut indices = shuffled(count, seed);
    let bound = |share: f64| ((share * count as f64).round() as usize).min(count);
    indices.truncate(bound(to));
    indices.drain(..bound(from).min(indices.len()));
    // The order on disk: reading forwards is faster.
    indices.sort_unstable();
    Box::new(Subset { whole, indices })
}

/// 0 to `count` in an order that depends on the seed only.
pub(super) fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order
}

/// Each name once, in order of first appearance.
pub(super) fn names<'a>(files: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in files {
        if !found.iter().any(|f| f == name) {
            found.push(name.to_owned());
        }
    }
    found
}

/// There is nothing to read.
pub(super) fn empty(path: &Path, split: &str) -> Error {
    Error::Empty { path: PathBuf::from(path), split: split.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_read_as_written() {
        let split = |t: &str| t.parse::<Split>().map(|s| (s.name, s.share));
        assert_eq!(split("test"), Ok((Some("test".into()), None)));
        assert_eq!(split("train[:80%]"), Ok((Some("train".into()), Some((0.0, 0.8)))));
        assert_eq!(split("[10%:20%]"), Ok((None, Some((0.1, 0.2)))));
        for text in ["test", "train[0%:80%]", "[33.3%:100%]", "x[12.345%:66.6667%]"] {
            assert_eq!(text.parse::<Split>().unwrap().to_string(), text);
        }
        for bad in ["", "train[", "train[80%]", "[5:10]", "[20%:10%]", "[:nan%]", "[:101%]", "[10%:10%]"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_split_is_chosen_by_name_or_by_purpose() {
        let found: Vec<String> = ["train", "t10k", "val2017"].map(String::from).into();
        let choose = |split, purpose| Wanted { path: Path::new("d"), split, purpose }.choose(&found).ok();
        assert_eq!(choose(Some("t10k"), Purpose::Evaluate), Some(1));
        assert_eq!(choose(Some("test"), Purpose::Evaluate), Some(1));
        assert_eq!(choose(Some("validation"), Purpose::Evaluate), Some(2));
        assert_eq!(choose(Some("other"), Purpose::Evaluate), None);
        assert_eq!(choose(None, Purpose::Evaluate), Some(1));
        assert_eq!(choose(None, Purpose::Calibrate), Some(0));
        let strange: Vec<String> = ["a", "b"].map(String::from).into();
        let error = Wanted { path: Path::new("d"), split: None, purpose: Purpose::Evaluate }.choose(&strange);
        assert!(error.unwrap_err().to_string().contains("a, b"));
    }
}
