#[cfg(feature = "data")]
use std::path::Path;
use std::path::PathBuf;

use crate::hint::Hint;

/// Why data cannot be read or does not fit. Every message names the data set, the file or the sample.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing here looks like a data set.
    #[error("{} is no data set that is known here: {why}", path.display())]
    Unknown {
        /// Where it was looked for.
        path: PathBuf,
        /// What was found instead, and what could be read.
        why: String,
    },
    /// A file does not hold what its format says.
    #[error("{file} is broken: {why}")]
    Broken {
        /// The file, or the entry of an archive.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Labels are missing, or do not fit the samples or the classes.
    #[error("labels of {file}: {why}")]
    Labels {
        /// The file or folder.
        file: String,
        /// What is wrong with them.
        why: String,
    },
    /// The split asked for is not there, or one has to be asked for.
    #[error("{}: {why}", path.display())]
    Split {
        /// The data set.
        path: PathBuf,
        /// What is there.
        why: String,
    },
    /// There is no sample to read.
    #[error("{} holds no sample{}", path.display(), if split.is_empty() { String::new() } else { format!(" in split '{split}'") })]
    Empty {
        /// The data set.
        path: PathBuf,
        /// The split, if one was chosen.
        split: String,
    },
    /// An archive or an index points to where it must not.
    #[error("{file} holds '{entry}', which is refused: {why}")]
    Unsafe {
        /// The archive or index.
        file: String,
        /// The entry.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something is larger than [`super::Limits`] allow.
    #[error("{file} is refused: {why}")]
    Limit {
        /// The file, or the entry of an archive.
        file: String,
        /// Which limit, and by how much.
        why: String,
    },
    /// One sample cannot be used. Loaders count these and go on.
    #[error("sample {name}: {why}")]
    Sample {
        /// The sample.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// More samples are bad than was allowed.
    #[error(
        "{bad} of {seen} samples are bad, more than the {allowed} allowed ({}); the first is {first}",
        Hint::MaxBad
    )]
    TooManyBad {
        /// Bad samples so far.
        bad: usize,
        /// Samples looked at so far.
        seen: usize,
        /// Bad samples allowed in the whole run.
        allowed: usize,
        /// Name of the first, and what is wrong with it.
        first: String,
    },
    /// A pipeline that makes no sense.
    #[error("preprocessing {origin}: {why}")]
    Pipeline {
        /// The file, or the name of a preset.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// Samples do not fit the model's inputs.
    #[error("the data does not fit the model: {why}")]
    Fit {
        /// What does not fit, and what would help.
        why: String,
    },
}

/// Result of this floor.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The setting that would help.
    pub fn hint(&self) -> Option<Hint> {
        matches!(self, Error::TooManyBad { .. }).then_some(Hint::MaxBad)
    }
}

#[cfg(feature = "data")]
impl Error {
    pub(super) fn io(path: &Path, source: std::io::Error) -> Self {
        Error::Io { path: path.to_owned(), source }
    }

    pub(super) fn broken(file: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Broken { file: file.into(), why: why.into() }
    }

    pub(super) fn labels(file: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Labels { file: file.into(), why: why.into() }
    }

    pub(super) fn sample(name: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Sample { name: name.into(), why: why.into() }
    }

    pub(super) fn fit(why: impl Into<String>) -> Self {
        Error::Fit { why: why.into() }
    }
}
