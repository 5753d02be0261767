//! Groups whose masking is not defined: zeros that meet a division or a logarithm.

use std::collections::HashSet;

use super::inputs::Inputs;
use super::{masked, open, open_original};
use crate::algebra::{Atom, Kept};
use crate::analysis::Analysis;
use crate::rewriting::error::Result;
use crate::runtime::{Runtime, SessionOptions, Tensor};

/// Those of the masked groups that, masked alone, make something no number that is one in the original; all of them
/// where only several together do.
///
/// # Errors
/// When a weight cannot be masked or the model opened.
pub fn groups(
    a: &Analysis,
    plain: &Kept,
    inputs: &Inputs,
    runtime: &dyn Runtime,
    options: &SessionOptions,
) -> Result<HashSet<Atom>> {
    let original = open_original(a, runtime, options)?.run(inputs)?;
    let spoils = |kept: &Kept| -> Result<bool> {
        let lost = |((_, e), (_, s)): (&(String, Tensor), &(String, Tensor))| {
            e.to_f64_vec().iter().zip(s.to_f64_vec()).any(|(e, s)| e.is_finite() && !s.is_finite())
        };
        let silent = open(a, masked(a, kept)?, runtime, options)?.run(inputs)?;
        Ok(original.iter().zip(&silent).any(lost))
    };
    let mut found = HashSet::new();
    for (atom, kept) in plain {
        if spoils(&Kept::from_iter([(*atom, kept.clone())]))? {
            found.insert(*atom);
        }
    }
    if found.is_empty() && spoils(plain)? {
        found.extend(plain.keys().copied());
    }
    Ok(found)
}
