//! What an operator sees of its node when a walker visits it.

use std::sync::Arc;

use crate::algebra::{Dim, Flags, Kept, Monomial, Reason, Symbols, Term, Terms};
use crate::onnx;
use crate::onnx::edit::Emit;
use crate::onnx::proto::NodeProto;

use super::fact::{Fact, Value, axis};

/// Blocks of wider axes are not counted one by one.
const MAX_WIDTH: i64 = 1 << 24;

/// Why axes that meet a run-time size keep theirs.
pub const OPEN: &str = "broadcast of run-time sizes";

/// What a weight's axis does in the operator that uses it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Role {
    /// Scale or zero point of quantized numbers: follows, and says nothing of their size. It comes first because it
    /// holds whatever else is said of the numbers.
    Quantization,
    /// Writes the channel: rows of a contraction weight.
    Out,
    /// Reads the channel: columns of a contraction weight.
    In,
    /// Scale of a BatchNormalization.
    BatchNorm,
    /// Scale of another normalisation.
    Norm,
    /// Writes the channel as a table of vectors: an embedding.
    Embedding,
    /// Divides the channel: follows along unscored, and may not become zero.
    Divisor,
    /// Follows along unscored: bias, running statistics, element-wise constants.
    Carried,
}

impl Role {
    /// Whether the axis says how much its channels matter.
    pub fn is_scored(self) -> bool {
        !matches!(self, Role::Divisor | Role::Carried | Role::Quantization)
    }

    /// In a word, for tables.
    pub fn name(self) -> &'static str {
        match self {
            Role::Quantization => "quantization",
            Role::Out => "writes",
            Role::In => "reads",
            Role::BatchNorm => "batch-norm",
            Role::Norm => "norm",
            Role::Embedding => "embedding",
            Role::Divisor => "divisor",
            Role::Carried => "follows",
        }
    }
}

/// Shape and value inference of one node.
pub struct InferCx<'a> {
    /// The node.
    pub node: &'a NodeProto,
    /// Version of the node's operator set.
    pub opset: i64,
    /// Facts of the inputs; `None` where an optional input is absent.
    pub inputs: Vec<Option<&'a Fact>>,
    /// Facts of the outputs, to be filled in.
    pub outputs: Vec<Fact>,
    /// The table of symbols.
    pub symbols: &'a mut Symbols,
    /// Inputs and axes whose sizes differ from round to round of a loop, to be filled in by it.
    pub varying: Vec<(usize, usize)>,
}

/// Access to inputs and attributes that all contexts share.
macro_rules! node_access {
    ($cx:ident) => {
        impl $cx<'_> {
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
            pub fn shape(&self, i: usize) -> Option<&[Dim]> {
                self.inputs.get(i).copied().flatten()?.shape.as_deref()
            }

            /// Rank of input `i`.
            pub fn rank(&self, i: usize) -> Option<usize> {
                Some(self.shape(i)?.len())
            }

            /// Fact of input `i`.
            pub fn fact(&self, i: usize) -> Option<&Fact> {
                self.inputs.get(i).copied().flatten()
            }

            /// Integer contents of input `i`, possibly symbolic.
            pub fn dims(&self, i: usize) -> Option<&[Dim]> {
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
    };
}

node_access!(InferCx);
node_access!(RelateCx);
node_access!(RewriteCx);
node_access!(CostCx);

impl InferCx<'_> {
    /// Element type of input `i`.
    pub fn dtype(&self, i: usize) -> i32 {
        self.fact(i).map_or(0, |f| f.dtype)
    }

    /// Sets type and shape of output `o`.
    pub fn set(&mut self, o: usize, dtype: i32, shape: Vec<Dim>) {
        if let Some(out) = self.outputs.get_mut(o) {
            *out = Fact::new(dtype, shape);
        }
    }

    /// Gives output 0 the type and shape of input 0.
    pub fn same_as_input(&mut self) -> Option<()> {
        let (dtype, shape) = (self.dtype(0), self.shape(0)?.to_vec());
        self.set(0, dtype, shape);
        Some(())
    }

    /// Sets the contents of output `o`.
    pub fn set_value(&mut self, o: usize, value: Value) {
        if let Some(out) = self.outputs.get_mut(o) {
            out.value = Some(value);
        }
    }

    /// Contents of input `i`.
    pub fn value(&self, i: usize) -> Option<&Value> {
        self.fact(i)?.value.as_ref()
    }

    /// Asks another operator, whose inputs are these of this node's.
    pub fn through(&mut self, inputs: &[usize], ask: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        let picked = inputs.iter().map(|i| self.inputs.get(*i).copied().flatten()).collect();
        let all = std::mem::replace(&mut self.inputs, picked);
        let answer = ask(self);
        self.inputs = all;
        answer
    }

    /// A size that only a run can tell, named after output `o`.
    pub fn unknown(&mut self, o: usize, k: usize) -> Dim {
        let name = self.node.output.get(o).cloned().unwrap_or_default();
        self.symbols.unknown(format!("{name}:{k}"))
    }
}

/// A weight axis with the role it has at one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleNote {
    /// Input of the node.
    pub input: usize,
    /// Axis of that input.
    pub axis: usize,
    /// What it does there.
    pub role: Role,
}

/// Whole numbers that stand for real ones, with the inputs that say how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantized {
    /// Input of the scale.
    pub scale: Option<usize>,
    /// Input of the zero point.
    pub zero_point: Option<usize>,
    /// The axis that both follow, unless they are one number.
    pub axis: usize,
    /// Set where bytes hold several numbers, or are blocks with a scale each.
    pub packed: Option<Packed>,
}

/// Numbers in blocks: the last axis is the bytes of a block, and each block has a scale and a zero point. Zero points
/// share bytes within a row likewise; without them, a number in the middle stands for zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Packed {
    /// Bits of a number: 2, 4 or 8.
    pub bits: u8,
}

/// Relating the axes of one node.
pub struct RelateCx<'a> {
    /// The node.
    pub node: &'a NodeProto,
    /// Version of the node's operator set.
    pub opset: i64,
    /// Facts of the inputs; `None` where an optional input is absent.
    pub inputs: Vec<Option<&'a Fact>>,
    /// Facts of the outputs.
    pub outputs: Vec<&'a Fact>,
    /// The arena of terms.
    pub terms: &'a mut Terms,
    /// Axis terms of the inputs; `None` where absent or of unknown rank.
    pub axes_in: Vec<Option<Vec<Term>>>,
    /// Axis terms of the outputs, to be filled in.
    pub axes_out: Vec<Option<Vec<Term>>>,
    /// Whether each input is constant, or computed from constants.
    pub constant: Vec<bool>,
    /// Whether each input is a weight: constant, and float or quantized.
    pub weight: Vec<bool>,
    /// Inputs that hold quantized numbers, to be filled in. Other constants that are no floats cannot shrink.
    pub quantized: Vec<(usize, Quantized)>,
    /// Roles of weight axes, to be filled in.
    pub roles: Vec<RoleNote>,
    /// Whether the output is a weight, too, of which an input has picked some, to be filled in.
    pub picks: bool,
    /// The node's name for messages.
    pub label: Arc<str>,
    /// Which input of the node each of these inputs is.
    pub places: Vec<usize>,
    /// See [`continues`](RelateCx::continues), for inputs of the node.
    pub continues: &'a Continues<'a>,
}

/// Whether what the first input carries on this axis is a stream that the second is computed from.
pub type Continues<'a> = dyn Fn(&Terms, usize, Term, usize) -> bool + 'a;

impl RelateCx<'_> {
    /// Whether input `i` hands on, along its axis `t`, a tensor that input `j` is computed from: a sum of both adds to a
    /// stream.
    pub fn continues(&self, i: usize, t: Term, j: usize) -> bool {
        match (self.places.get(i), self.places.get(j)) {
            (Some(&i), Some(&j)) => (self.continues)(self.terms, i, t, j),
            _ => false,
        }
    }

    /// A reason that names this node.
    pub fn reason(&self, kind: &'static str) -> Reason {
        Reason { kind, at: self.label.clone() }
    }

    /// Axis terms of input `i`.
    pub fn input(&self, i: usize) -> Option<Vec<Term>> {
        self.axes_in.get(i)?.clone()
    }

    /// Shape of output `o`.
    pub fn out_shape(&self, o: usize) -> Option<&[Dim]> {
        self.outputs.get(o)?.shape.as_deref()
    }

    /// Sets the axis terms of output `o`.
    pub fn set(&mut self, o: usize, axes: Vec<Term>) {
        if let Some(slot) = self.axes_out.get_mut(o) {
            *slot = Some(axes);
        }
    }

    /// Makes two axes one; what does not fit is frozen in this node's name.
    pub fn unify(&mut self, a: Term, b: Term) {
        let reason = self.reason("axes that do not fit together");
        self.terms.unify(a, b, &reason);
    }

    /// Relates an axis to the one that it is broadcast to; returns whether they are one now. An axis of size 1 couples
    /// nothing. A size that only a run can tell may be 1 or that of the other axis, which must keep its size then.
    pub fn broadcast(&mut self, to: Term, t: Term) -> bool {
        if self.terms.size(t) == self.terms.size(to) {
            self.unify(to, t);
            return true;
        }
        if !self.terms.size(t).is(1) {
            self.freeze(t, OPEN);
            self.freeze(to, OPEN);
        }
        false
    }

    /// Freezes an axis in this node's name.
    pub fn freeze(&mut self, t: Term, kind: &'static str) {
        let reason = self.reason(kind);
        self.terms.freeze(t, &reason);
    }

    /// A fresh axis of the given size that cannot shrink.
    pub fn frozen(&mut self, size: &Dim, kind: &'static str) -> Term {
        let reason = self.reason(kind);
        self.terms.frozen_atom(size.clone(), &reason)
    }

    /// Fresh frozen axes for output `o` from axis `from` on.
    pub fn frozen_tail(&mut self, o: usize, from: usize, kind: &'static str) -> Option<Vec<Term>> {
        let shape = self.out_shape(o)?.get(from..)?.to_vec();
        Some(shape.iter().map(|d| self.frozen(d, kind)).collect())
    }

    /// Asks another operator, whose inputs are these of this node's.
    pub fn through(&mut self, inputs: &[usize], ask: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        fn picked<T: Clone + Default>(all: &[T], inputs: &[usize]) -> Vec<T> {
            inputs.iter().map(|i| all.get(*i).cloned().unwrap_or_default()).collect()
        }
        let facts = picked(&self.inputs, inputs);
        let facts = std::mem::replace(&mut self.inputs, facts);
        let axes = picked(&self.axes_in, inputs);
        let axes = std::mem::replace(&mut self.axes_in, axes);
        let weight = picked(&self.weight, inputs);
        let weight = std::mem::replace(&mut self.weight, weight);
        let constant = picked(&self.constant, inputs);
        let constant = std::mem::replace(&mut self.constant, constant);
        let places = picked(&self.places, inputs);
        let places = std::mem::replace(&mut self.places, places);
        let roles = std::mem::take(&mut self.roles);
        let answer = ask(self);
        (self.inputs, self.axes_in, self.weight, self.constant) = (facts, axes, weight, constant);
        self.places = places;
        let theirs = std::mem::replace(&mut self.roles, roles);
        self.roles.extend(theirs.into_iter().map(|r| RoleNote { input: inputs[r.input], ..r }));
        answer
    }

    /// Flags an axis.
    pub fn mark(&mut self, t: Term, change: impl Fn(&mut Flags)) {
        self.terms.mark(t, change);
    }

    /// Says that input `i` holds numbers, and how they stand for real ones: they may shrink like floats.
    pub fn quantized(&mut self, i: usize, by: Quantized) {
        if let (Some(weight), Some(constant)) = (self.weight.get_mut(i), self.constant.get(i)) {
            *weight = *constant;
            self.quantized.push((i, by));
        }
    }

    /// Says that input `i` is a scale or a zero point.
    pub fn parameter(&mut self, i: usize) {
        self.quantized(i, Quantized { scale: None, zero_point: None, axis: 0, packed: None });
        for axis in 0..self.rank(i).unwrap_or(0) {
            self.role(i, axis, Role::Quantization);
        }
    }

    /// Notes the role of a weight's axis; an axis that a weight writes can be pruned.
    pub fn role(&mut self, input: usize, axis: usize, role: Role) {
        if !self.weight.get(input).copied().unwrap_or(false) {
            return;
        }
        if matches!(role, Role::Out | Role::Embedding)
            && let Some(t) = self.axes_in.get(input).and_then(|a| a.as_ref()?.get(axis).copied())
        {
            self.mark(t, |f| f.produced = true);
        }
        self.roles.push(RoleNote { input, axis, role });
    }
}

/// Counting the multiply-accumulates of one node.
pub struct CostCx<'a> {
    /// The node.
    pub node: &'a NodeProto,
    /// Version of the node's operator set.
    pub opset: i64,
    /// Facts of the inputs.
    pub inputs: Vec<Option<&'a Fact>>,
    /// Axis terms of the inputs.
    pub axes_in: &'a [Option<Vec<Term>>],
    /// Axis terms of the outputs.
    pub axes_out: Vec<Option<&'a [Term]>>,
    /// The arena of terms.
    pub terms: &'a Terms,
}

impl CostCx<'_> {
    /// One product of axis sizes.
    pub fn product(axes: Vec<Term>) -> Vec<Monomial> {
        vec![Monomial { coefficient: 1.0, axes }]
    }

    /// Axis terms of input `i`.
    pub fn input(&self, i: usize) -> Option<&[Term]> {
        self.axes_in.get(i)?.as_deref()
    }
}

/// Rewriting one node for kept channels. Weights have been cut already; attributes and shape operands are left.
pub struct RewriteCx<'a> {
    /// The node, to be changed.
    pub node: &'a mut NodeProto,
    /// Version of the node's operator set.
    pub opset: i64,
    /// Facts of the inputs as they are now, after everything before this node was rewritten.
    pub inputs: Vec<Option<&'a Fact>>,
    /// Facts of the inputs before anything was rewritten.
    pub before: Vec<Option<&'a Fact>>,
    /// Axis terms of the inputs.
    pub axes_in: &'a [Option<Vec<Term>>],
    /// Axis terms of the outputs.
    pub axes_out: Vec<Option<&'a [Term]>>,
    /// The arena of terms.
    pub terms: &'a Terms,
    /// What stays of each atom.
    pub kept: &'a Kept,
    /// Takes tensors that the node needs beside its old ones, and nodes to stand before it.
    pub emit: &'a mut dyn Emit,
}

impl RewriteCx<'_> {
    /// Sizes that output `o` must have.
    pub fn required(&self, o: usize) -> Option<Vec<Dim>> {
        Some(self.axes_out.get(o).copied().flatten()?.iter().map(|t| self.terms.kept_size(*t, self.kept)).collect())
    }

    /// Whether nothing changes for the node: no axis shrinks, and no operand computed from sizes has other contents.
    pub fn settled(&self) -> bool {
        let shrinks = |axes: &[Term]| axes.iter().any(|t| self.terms.shrinks(*t, self.kept));
        let moved = |(now, before): (&Option<&Fact>, &Option<&Fact>)| {
            now.and_then(|f| f.value.as_ref()) != before.and_then(|f| f.value.as_ref())
        };
        !self.axes_in.iter().flatten().any(|a| shrinks(a))
            && !self.axes_out.iter().flatten().any(|a| shrinks(a))
            && !self.inputs.iter().zip(&self.before).any(moved)
    }

    /// An input axis, if it shrinks.
    pub fn shrinking(&self, i: usize, axis: usize) -> Option<Term> {
        let t = *self.axes_in.get(i)?.as_ref()?.get(axis)?;
        self.terms.shrinks(t, self.kept).then_some(t)
    }

    /// Number of positions of an axis below `p` that stay.
    pub fn below(&self, t: Term, p: i64) -> Option<Dim> {
        self.terms.kept_below(t, self.kept, p).map(Dim::from)
    }

    /// Number of blocks of `size` positions each of an axis of which something stays.
    pub fn blocks(&self, t: Term, size: i64) -> Option<i64> {
        if !self.terms.shrinks(t, self.kept) || self.terms.size(t).known()? > MAX_WIDTH {
            return self.terms.size(t).known()?.checked_div(size).filter(|_| !self.terms.shrinks(t, self.kept));
        }
        let positions = self.terms.kept_positions(t, self.kept)?;
        let size = usize::try_from(size).ok().filter(|n| *n > 0)?;
        let blocks: std::collections::HashSet<usize> = positions.into_iter().map(|p| p / size).collect();
        i64::try_from(blocks.len()).ok()
    }

    /// Makes input `i` the constant `data` (int64 of this shape).
    pub fn set_constant(&mut self, i: usize, what: &str, shape: &[usize], data: &[i64]) -> Option<()> {
        let name = self.emit.ints(what, shape, data).ok()?;
        self.set_input(i, name);
        Some(())
    }

    /// Makes input `i` the tensor `name`.
    pub fn set_input(&mut self, i: usize, name: String) {
        while self.node.input.len() <= i {
            self.node.input.push(String::new());
        }
        self.node.input[i] = name;
    }

    /// Replaces the known elements of shape operand `i` by those of `wanted`, keeping its run-time elements.
    ///
    /// A constant where all are known; otherwise an element-wise choice between the constant and what the
    /// graph computes. `None` where an element that only a run can tell would have to change.
    pub fn patch_operand(&mut self, i: usize, what: &str, wanted: &[Dim]) -> Option<()> {
        if let Some(all) = wanted.iter().map(Dim::known).collect::<Option<Vec<i64>>>() {
            return self.set_constant(i, what, &[all.len()], &all);
        }
        let now = self.dims(i)?.to_vec();
        if now.len() != wanted.len() {
            return None;
        }
        let mut fixed = Vec::new();
        let mut data = Vec::new();
        for (old, new) in now.iter().zip(wanted) {
            let n = new.known();
            if n.is_none() && old != new {
                return None;
            }
            fixed.push(n.is_some());
            data.push(n.unwrap_or(0));
        }
        let computed = self.node.input.get(i)?.clone();
        self.emit.since("Where").ok()?;
        let mask = self.emit.bools("mask", &[data.len()], &fixed).ok()?;
        let constant = self.emit.ints(what, &[data.len()], &data).ok()?;
        let out = self.emit.fresh(what);
        let chosen = self.emit.choose(&mask, &constant, &computed).ok()?;
        self.emit.op(chosen.output(out.clone()));
        self.set_input(i, out);
        Some(())
    }
}
