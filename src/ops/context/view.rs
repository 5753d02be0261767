//! What all rules see of a node.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use crate::algebra::Dim;
use crate::onnx;
use crate::onnx::proto::NodeProto;
use crate::ops::fact::{Fact, Value, axis};
use crate::tensor::DType;

/// The attributes of an operator as one typed value.
pub trait Attributes: Any + Send + Sync {
    /// Reads them from a node of this operator set.
    fn parse(node: &NodeProto, opset: i64) -> Self;
}

/// The attributes of one node, once they have been parsed: all its rules share them.
#[derive(Debug, Default)]
pub struct Parsed(OnceLock<Arc<dyn Any + Send + Sync>>);

impl Parsed {
    /// The attributes as `T`. A node has those of one operator; where a rule asks for those of another, they are read
    /// each time.
    fn get<T: Attributes>(&self, node: &NodeProto, opset: i64) -> Arc<T> {
        let held = self.0.get_or_init(|| Arc::new(T::parse(node, opset)));
        Arc::clone(held).downcast().unwrap_or_else(|_| Arc::new(T::parse(node, opset)))
    }
}

/// One node, as all its rules see it.
#[derive(Clone)]
pub struct NodeView<'a> {
    /// The node.
    pub node: &'a NodeProto,
    /// Version of the node's operator set.
    pub opset: i64,
    /// Facts of the inputs; `None` where an optional input is absent.
    pub inputs: Vec<Option<&'a Fact>>,
    /// Its attributes.
    pub parsed: &'a Parsed,
}

impl<'a> NodeView<'a> {
    /// The node's attributes as one typed value.
    pub fn attributes<T: Attributes>(&self) -> Arc<T> {
        self.parsed.get(self.node, self.opset)
    }

    /// A float attribute.
    pub fn float(&self, name: &str) -> Option<f32> {
        onnx::attr_f(self.node, name)
    }

    /// A string attribute.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        onnx::attr_s(self.node, name)
    }

    /// Element type of input `i`.
    pub fn dtype(&self, i: usize) -> DType {
        self.fact(i).map_or(DType::Undefined, |f| f.dtype)
    }

    /// Contents of input `i`.
    pub fn value(&self, i: usize) -> Option<&'a Value> {
        self.fact(i)?.value.as_ref()
    }

    /// An integer attribute.
    pub fn int(&self, name: &str) -> Option<i64> {
        onnx::attr_i(self.node, name)
    }

    /// An integer-list attribute.
    pub fn ints(&self, name: &str) -> Option<Vec<i64>> {
        onnx::attr_ints(self.node, name).map(<[i64]>::to_vec)
    }

    /// Whether input `i` is given.
    pub fn has(&self, i: usize) -> bool {
        self.inputs.get(i).is_some_and(Option::is_some)
    }

    /// Shape of input `i`.
    pub fn shape(&self, i: usize) -> Option<&'a [Dim]> {
        self.inputs.get(i).copied().flatten()?.shape.as_deref()
    }

    /// Rank of input `i`.
    pub fn rank(&self, i: usize) -> Option<usize> {
        Some(self.shape(i)?.len())
    }

    /// Fact of input `i`.
    pub fn fact(&self, i: usize) -> Option<&'a Fact> {
        self.inputs.get(i).copied().flatten()
    }

    /// Integer contents of input `i`, possibly symbolic.
    pub fn dims(&self, i: usize) -> Option<&'a [Dim]> {
        self.fact(i)?.dims()
    }

    /// Integer contents of input `i`, all known.
    pub fn numbers(&self, i: usize) -> Option<Vec<i64>> {
        self.fact(i)?.numbers()
    }

    /// The attribute `axis` (or its default) as an index into input `i`.
    pub fn axis(&self, i: usize, default: i64) -> Option<usize> {
        axis(self.int("axis").unwrap_or(default), self.rank(i)?)
    }

    /// Axes given as input `input` (newer operator sets) or as attribute `axes` (older ones), as indices
    /// below `rank`; `Some(None)` where neither is given.
    pub fn axes(&self, input: usize, rank: usize) -> Option<Option<Vec<usize>>> {
        let given = if self.has(input) { Some(self.numbers(input)?) } else { self.ints("axes") };
        match given {
            None => Some(None),
            Some(v) => v.into_iter().map(|a| axis(a, rank)).collect::<Option<Vec<_>>>().map(Some),
        }
    }
}

/// Gives a context what its view of the node has.
macro_rules! sees_the_node {
    ($cx:ident) => {
        impl<'a> std::ops::Deref for $cx<'a> {
            type Target = crate::ops::context::NodeView<'a>;

            fn deref(&self) -> &Self::Target {
                &self.view
            }
        }
    };
}
pub(super) use sees_the_node;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::edit::NewNode;

    struct Axis(i64);

    impl Attributes for Axis {
        fn parse(node: &NodeProto, _opset: i64) -> Axis {
            Axis(onnx::attr_i(node, "axis").unwrap_or(0))
        }
    }

    struct Other;

    impl Attributes for Other {
        fn parse(_node: &NodeProto, _opset: i64) -> Other {
            Other
        }
    }

    #[test]
    fn attributes_are_parsed_once_and_shared() {
        let (node, parsed) = (NewNode::new("Softmax").int("axis", 2).build(), Parsed::default());
        let view = NodeView { node: &node, opset: 13, inputs: Vec::new(), parsed: &parsed };
        let (first, second) = (view.attributes::<Axis>(), view.clone().attributes::<Axis>());
        assert_eq!(first.0, 2);
        assert!(Arc::ptr_eq(&first, &second));
        // Another operator's are read beside them, and do not take their place.
        let _other = view.attributes::<Other>();
        assert!(Arc::ptr_eq(&first, &view.attributes::<Axis>()));
    }
}
