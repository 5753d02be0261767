//! The bnscale criterion.

use super::l1::Magnitude;
use super::manual::manual_page;
use super::{Criterion, Error, Roles, ScorePlan};

manual_page! {
    /// Absolute scale of the batch normalisation after a channel.
    ///
    /// # What it scores
    /// How strongly batch normalisation lets a channel through.
    ///
    /// # Formula
    /// s(c) = |γ_c|, γ of shape C; the mean over the batch normalisations of the group (or `reduction`).
    ///
    /// # Needs
    /// Weights, and BatchNormalization nodes in the model: exporters usually fold them into the
    /// convolutions. Where no group has one, scoring is refused; a group without one, beside others
    /// that have, is scored by l2 and named in the notes.
    ///
    /// # Cost
    /// C absolute values per group and step.
    ///
    /// # Reference
    /// Liu et al., Learning Efficient Convolutional Networks through Network Slimming, ICCV 2017.
    ///
    /// # Differs from others
    /// Meant for models trained with a sparsity penalty on γ. Says nothing about the weights around it,
    /// and reads no layer or group normalisation.
    pub struct BnScale;
}

impl Criterion for BnScale {
    fn name(&self) -> &'static str {
        "bnscale"
    }

    fn manual(&self) -> &'static str {
        BnScale::page()
    }

    fn plan(&self) -> ScorePlan {
        ScorePlan::items(&Magnitude, Roles::BATCH_NORM)
    }

    fn fallback(&self) -> Option<ScorePlan> {
        Some(ScorePlan::L2)
    }

    fn nothing_to_read(&self) -> Option<Error> {
        Some(Error::NoBatchNorm)
    }
}
