//! What the result must keep of what the model knew.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::targets::share;

/// What the result must keep of what the model knew: the smallest model that does is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// At least this share of the answers, or this cosine of outputs that are no answers, is the original's.
    Agreement(f64),
    /// At most this top-1 accuracy is lost.
    Drop(f64),
}

impl Keep {
    /// `0.9` or `90%`: the agreement that stays.
    ///
    /// # Errors
    /// [`Error::Target`] for anything else, likewise below.
    pub fn agreement(text: &str) -> Result<Self, Error> {
        share(text).map(Keep::Agreement).ok_or_else(|| wrong(text, "give a share between 0 and 1, as in 0.9 or 90%"))
    }

    /// `1%` or `0.01`: the accuracy that may go.
    pub fn drop(text: &str) -> Result<Self, Error> {
        share(text).map(Keep::Drop).ok_or_else(|| wrong(text, "give a share between 0 and 1, as in 1% or 0.01"))
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keep::Agreement(x) => write!(f, "an agreement of at least {:.1} %", x * 100.0),
            Keep::Drop(x) => write!(f, "at most {:.1} points of accuracy lost", x * 100.0),
        }
    }
}

fn wrong(target: &str, why: &str) -> Error {
    Error::Target { target: format!("'{target}'"), why: why.to_owned() }
}
