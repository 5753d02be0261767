use std::path::Path;
use std::sync::Arc;

use super::dataset::Dataset;
use super::formats::formats;
use super::guard::guarded;
use super::split::{self, Purpose, Split, Wanted};
use super::tree::Tree;
use super::{Error, Result};

/// What of a data set is read, and how large it may be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OpenOptions {
    /// The part that is read; chosen by `purpose` unless given.
    pub split: Option<Split>,
    /// Seed of the shuffling before a share is taken.
    pub seed: u64,
    /// What the data is for.
    pub purpose: Purpose,
    /// How large things may be.
    pub limits: Limits,
}

/// How large things may be before they are taken for an attack or a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that all compressed files may unpack to together.
    pub unpacked: u64,
    /// How many times their size all compressed files may unpack to together, beyond the first 64 MiB.
    pub ratio: u64,
    /// Files in a folder or archive.
    pub files: usize,
    /// Samples in a data set.
    pub samples: usize,
    /// Pixels of an image.
    pub pixels: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { unpacked: 256 << 30, ratio: 200, files: 50_000_000, samples: 1 << 28, pixels: 128 << 20 }
    }
}

/// Opens the data set at `path`: a file, an archive or a folder of any of the [`formats`](super::formats()).
///
/// # Errors
/// [`Error::Unknown`] when it is none of them, [`Error::Split`] when a split must be named or is not there,
/// [`Error::Empty`] without samples, and others when it is broken.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Box<dyn Dataset>> {
    let tree = Arc::new(Tree::open(path, &options.limits)?);
    let name = options.split.as_ref().and_then(|s| s.name.as_deref());
    let wanted = Wanted { path, split: name, purpose: options.purpose };
    for format in formats() {
        let unforeseen = || {
            Err(Error::broken(
                path.display().to_string(),
                format!("as {} it fails in an unforeseen way", format.name()),
            ))
        };
        let opened = guarded(|| format.open(&tree, &wanted)).unwrap_or_else(unforeseen);
        let Some(dataset) = opened? else { continue };
        if dataset.len() > options.limits.samples {
            let why = format!("it has {} samples, more than the {} allowed", dataset.len(), options.limits.samples);
            return Err(Error::Limit { file: path.display().to_string(), why });
        }
        let share = options.split.as_ref().and_then(|s| s.share);
        let dataset = split::share(dataset, share, options.seed);
        return match dataset.is_empty() {
            true => Err(split::empty(path, name.unwrap_or_default())),
            false => Ok(dataset),
        };
    }
    let known: Vec<&str> = formats().iter().map(|f| f.summary()).collect();
    let found = match tree.entries() {
        [] => "it is empty".to_owned(),
        [one] => format!("it is the file {}", one.path),
        [first, ..] => format!("it holds {} files, such as {}", tree.entries().len(), first.path),
    };
    Err(Error::Unknown { path: path.to_owned(), why: format!("{found}; read are: {}", known.join("; ")) })
}
