//! Whether a run tells something of an output at all.

use crate::runtime::Tensor;

/// What one run says of one output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tell {
    /// It has no elements.
    Empty,
    /// No element is a finite number.
    NotFinite,
    /// It is what rounding leaves of larger numbers.
    Noise,
    /// Another input gives the same.
    SameForAnyInput,
    /// Masking all channels that are pruned gives the same.
    SameWithoutChannels,
    /// Some elements are no numbers, but others tell.
    InPart,
    /// It depends on the input and on the channels that are pruned.
    All,
}

impl Tell {
    /// Whether the comparison of this output said something.
    pub fn tells(self) -> bool {
        matches!(self, Tell::InPart | Tell::All)
    }

    /// Why it did not, after "output 'y'".
    pub fn why(self) -> &'static str {
        match self {
            Tell::Empty => "is empty",
            Tell::NotFinite => "is not finite",
            Tell::Noise => "is no more than rounding leaves of larger numbers",
            Tell::SameForAnyInput => "does not depend on the input",
            Tell::SameWithoutChannels => "does not depend on the channels that are pruned",
            Tell::InPart | Tell::All => "was compared",
        }
    }
}

/// What a run says of an output: `other` is for another input, `silent` with all pruned channels masked; `None`
/// where that was not run.
pub fn tell(expected: &Tensor, other: Option<&Tensor>, silent: Option<&Tensor>) -> Tell {
    let e = expected.to_f64_vec();
    if e.is_empty() {
        return Tell::Empty;
    }
    if !e.iter().any(|x| x.is_finite()) {
        return Tell::NotFinite;
    }
    let differs = |t: Option<&Tensor>| {
        t.is_none_or(|t| {
            t.shape() != expected.shape() || t.to_f64_vec().iter().zip(&e).any(|(a, b)| b.is_finite() && a != b)
        })
    };
    match (differs(other), differs(silent)) {
        (false, _) => Tell::SameForAnyInput,
        (_, false) => Tell::SameWithoutChannels,
        _ if e.iter().any(|x| x.is_nan()) => Tell::InPart,
        _ => Tell::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(values: &[f32]) -> Tensor {
        Tensor::new([values.len()], values.to_vec()).unwrap()
    }

    #[test]
    fn what_says_nothing_is_told_apart() {
        let (e, other) = (t(&[1.0, 2.0]), t(&[1.0, 3.0]));
        let nan = t(&[f32::NAN, f32::NAN]);
        assert_eq!(tell(&t(&[]), None, None), Tell::Empty);
        assert_eq!(tell(&nan, Some(&other), Some(&other)), Tell::NotFinite);
        assert_eq!(tell(&e, Some(&e), Some(&other)), Tell::SameForAnyInput);
        assert_eq!(tell(&e, Some(&other), Some(&e)), Tell::SameWithoutChannels);
        assert_eq!(tell(&e, Some(&other), Some(&other)), Tell::All);
        assert_eq!(tell(&e, None, Some(&t(&[0.0]))), Tell::All);
        let half = t(&[f32::NAN, 2.0]);
        assert_eq!(tell(&half, Some(&other), Some(&other)), Tell::InPart);
        // A place that is always masked tells as little as one that is no number.
        let masked = t(&[f32::NEG_INFINITY, 2.0]);
        assert_eq!(tell(&masked, Some(&other), Some(&other)), Tell::All);
    }
}
