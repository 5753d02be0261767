//! A node as a product of its weight with patches of its input.

use super::conv::Window;

/// How a node's output comes from one input and one weight, apart from its bias.
///
/// For each output position the input's values under the window make a patch; the output is the weight, seen as a
/// matrix, times the patch. A fully connected layer is the case of a window of one value.
#[derive(Clone, Debug, PartialEq)]
pub struct Contraction {
    /// Input of the node that patches are taken from.
    pub data: usize,
    /// Axis of that input that is contracted.
    pub data_axis: usize,
    /// Input of the node that holds the weight.
    pub weight: usize,
    /// Axis of the weight that makes the outputs.
    pub out_axis: usize,
    /// Axis of the weight that is contracted; what remains are kernel axes.
    pub in_axis: usize,
    /// Input of the node that is added once per output, where there can be one.
    pub bias: Option<usize>,
    /// Parts of the contracted and the output axis that meet only each other.
    pub groups: usize,
    /// The window over the spatial axes, which follow the contracted one; `None` for a window of one value.
    pub window: Option<Window>,
    /// Of a transposed convolution, what is added to the end of each spatial axis of its output: there the window lies
    /// over the input with its values spread by the strides.
    pub transposed: Option<Vec<i64>>,
    /// Factor of the product.
    pub scale: f32,
}
