//! All statistics: what each is, and which pass over the data measures it.

use super::curves::ErrorCurve;
use super::error::Result;
use super::key::{AnyKey, Key, PerChannel, PerElement, PerPair};
use super::maps::Maps;
use super::readers::{GroupReader, shares, variances};

/// What measures a statistic.
#[derive(Clone, Copy)]
pub(crate) enum Pass {
    /// Second moments of the patches that the readers of a group take: reduced for each reader, summed over readers.
    Moments(fn(&GroupReader) -> Result<Vec<f64>>),
    /// Feature maps of a group where weights read it, summed over these.
    Maps(fn(&Maps) -> Option<Vec<f64>>),
    /// What the readers of a group lose as channels go.
    Curves(fn(&ErrorCurve) -> Vec<f64>),
    /// Gradients of the mean loss: handed in by whoever has them.
    Gradients,
    /// Gradients of each sample's loss, likewise.
    SampleGradients,
}

/// A line of the table.
pub(crate) struct Statistic {
    pub(crate) key: &'static dyn AnyKey,
    pub(crate) pass: Pass,
}

macro_rules! statistics {
    ($($(#[$doc:meta])* $name:ident: $extent:ty = $text:literal, $pass:expr;)*) => {
        $($(#[$doc])* pub const $name: Key<$extent> = Key::new($text);)*

        /// All statistics.
        pub(crate) fn statistics() -> &'static [Statistic] {
            &[$(Statistic { key: &$name, pass: $pass }),*]
        }
    };
}

statistics! {
    /// ⟨Z_c, Z_d⟩ over sampled positions: Z_c is the share that channel c has in the outputs of the nodes that read the
    /// group, summed over these nodes. Unknown where no node could be looked at.
    SHARES: PerPair = "shares", Pass::Moments(shares);
    /// Σ of variance · ‖weights‖² over the numbers that a channel gives the nodes that read the group. Unknown where no
    /// node could be looked at.
    VARIANCES: PerChannel = "variances", Pass::Moments(variances);
    /// Mean rank of each channel's feature maps. Unknown where maps have one row or one column.
    RANKS: PerChannel = "ranks", Pass::Maps(Maps::means);
    /// What is lost once a channel has gone after all that go before it, if what is left makes up for it
    /// (see `statistics::curves`). Unknown where no node could be looked at.
    ERRORS: PerChannel = "errors", Pass::Curves(ErrorCurve::scores);
    /// ∂L/∂w, L the mean loss over the data.
    GRADIENT: PerElement = "gradient", Pass::Gradients;
    /// (1/N) Σ_n (∂L_n/∂w)² over N samples with their labels.
    SQUARED_GRADIENT: PerElement = "squared gradient", Pass::SampleGradients;
    /// (1/N) Σ_n (∂L_n/∂w)² over N samples, their labels drawn from the model's own softmax: the diagonal of the Fisher
    /// information.
    FISHER: PerElement = "fisher", Pass::SampleGradients;
}

/// The line of a key.
pub(crate) fn line(key: &dyn AnyKey) -> Option<&'static Statistic> {
    statistics().iter().find(|s| s.key.name() == key.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for s in statistics() {
            assert_eq!(statistics().iter().filter(|t| t.key.name() == s.key.name()).count(), 1, "{:?}", s.key);
            assert!(line(s.key).is_some_and(|l| l.key.extent() == s.key.extent()));
        }
    }
}
