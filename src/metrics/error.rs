/// Why answers cannot be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An output is not of the form that is judged.
    #[error("output of shape {shape:?} {why}")]
    Form {
        /// Shape of the output.
        shape: Vec<usize>,
        /// What it is not.
        why: String,
    },
    /// There is no such class.
    #[error("class {class} does not exist: there are {classes}, from 0 on")]
    Class {
        /// The class.
        class: usize,
        /// How many there are.
        classes: usize,
    },
    /// Two things that ought to go together do not.
    #[error("{0}")]
    Mismatch(String),
}

/// Result of this folder.
pub type Result<T, E = Error> = std::result::Result<T, E>;
