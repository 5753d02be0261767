//! Shape and value inference of one node.

use super::view::{NodeView, sees_the_node};
use crate::algebra::{Dim, Symbols};
use crate::ops::fact::{Fact, Value};
use crate::tensor::DType;

/// What inference works with.
pub struct InferCx<'a> {
    /// The node.
    pub view: NodeView<'a>,
    /// How many outputs the node has.
    pub written: usize,
    /// The table of symbols.
    pub symbols: &'a mut Symbols,
}

sees_the_node!(InferCx);

/// What comes out of a node.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inferred {
    /// Facts of the outputs; nothing is known of those that are missing.
    pub outputs: Vec<Fact>,
    /// Inputs and axes whose sizes differ from round to round of a loop.
    pub varying: Vec<(usize, usize)>,
}

impl Inferred {
    /// One output of that type and shape.
    pub fn one(dtype: DType, shape: Vec<Dim>) -> Inferred {
        Inferred::fact(Fact::new(dtype, shape))
    }

    /// One output of which this is known.
    pub fn fact(fact: Fact) -> Inferred {
        Inferred { outputs: vec![fact], varying: Vec::new() }
    }

    /// What is known of output `o`, open to change.
    pub fn output(&mut self, o: usize) -> &mut Fact {
        if self.outputs.len() <= o {
            self.outputs.resize_with(o + 1, Fact::default);
        }
        &mut self.outputs[o]
    }

    /// Sets type and shape of output `o`.
    pub fn set(&mut self, o: usize, dtype: DType, shape: Vec<Dim>) {
        *self.output(o) = Fact::new(dtype, shape);
    }

    /// Sets the contents of output `o`.
    pub fn set_value(&mut self, o: usize, value: Value) {
        self.output(o).value = Some(value);
    }
}

impl InferCx<'_> {
    /// One output with the type and shape of input 0.
    pub fn same_as_input(&self) -> Option<Inferred> {
        Some(Inferred::one(self.dtype(0), self.shape(0)?.to_vec()))
    }

    /// Asks another operator, whose inputs are these of this node's.
    pub fn through<R>(&mut self, inputs: &[usize], ask: impl FnOnce(&mut Self) -> R) -> R {
        let picked = inputs.iter().map(|i| self.inputs.get(*i).copied().flatten()).collect();
        let all = std::mem::replace(&mut self.view.inputs, picked);
        let answer = ask(self);
        self.view.inputs = all;
        answer
    }

    /// A size that only a run can tell, named after output `o`.
    pub fn unknown(&mut self, o: usize, k: usize) -> Dim {
        let name = self.node.output.get(o).cloned().unwrap_or_default();
        self.symbols.unknown(format!("{name}:{k}"))
    }
}
