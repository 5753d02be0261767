//! What a node does to each value by itself, where least squares can see through it.

/// A simple function of each value of an input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pointwise {
    /// (x − mean) / √(variance + epsilon) · scale + shift, each a vector along axis 1, of input 0.
    Normalization {
        /// Inputs that hold scale, shift, mean and variance.
        parameters: [usize; 4],
        /// Added to the variance.
        epsilon: f32,
    },
    /// Inputs 0 and 1 added, with broadcasting.
    Sum,
    /// Inputs 0 and 1 multiplied, with broadcasting.
    Product,
    /// Input 0 cut to a range.
    Clamp {
        /// Lower end.
        low: Bound,
        /// Upper end.
        high: Bound,
    },
}

/// An end of a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// A number, or an infinity where there is none.
    Number(f32),
    /// What an input holds.
    Input(usize),
}
