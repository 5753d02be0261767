//! Why a criterion could not score.

/// Errors of this floor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No criterion has this name.
    #[error("unknown criterion '{name}'; known are {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are, separated by commas.
        known: String,
    },
    /// A weight that is read holds NaN or an infinity.
    #[error("weight '{weight}' holds NaN or infinite values; scores would mean nothing")]
    NonFinite {
        /// The weight's name.
        weight: String,
    },
    /// The batch-normalisation criterion found no batch normalisation in any group.
    #[error(
        "no group has a BatchNormalization scale to score. Exporters fold BatchNorm into the convolution before it; \
         put it back with onnx-prune insert-bn, export with training=TrainingMode.PRESERVE and \
         do_constant_folding=False to keep it, or choose another criterion (l2 reads the convolutions themselves)"
    )]
    NoBatchNorm,
    /// The criterion looks at activations, and there is no data to make some.
    #[error("{criterion} looks at activations: give calibration data with {}", crate::hint::Hint::Data)]
    NoData {
        /// The criterion's name.
        criterion: &'static str,
    },
    /// The criterion reads gradients, and nobody handed any in.
    #[error("{criterion} reads gradients of a loss, and none are known")]
    NoGradients {
        /// The criterion's name.
        criterion: &'static str,
    },
    /// A statistic of a weight's elements cannot be used.
    #[error("statistic '{statistic}' of weight '{weight}': {why}")]
    Statistic {
        /// The weight's name.
        weight: String,
        /// The statistic's name.
        statistic: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A weight's data and shape disagree.
    #[error("weight '{weight}' of shape {shape:?} holds {found} values")]
    Shape {
        /// The weight's name.
        weight: String,
        /// The shape it claims.
        shape: Vec<usize>,
        /// Number of values it holds.
        found: usize,
    },
    /// A group's item does not fit the weights or the group.
    #[error("group '{group}', item {item}: {reason}")]
    Item {
        /// The group's name.
        group: String,
        /// Index of the item in the group.
        item: usize,
        /// What does not fit.
        reason: String,
    },
}
