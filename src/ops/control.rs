//! If, Loop, Scan: what goes into a subgraph is what its node is given, what comes out of it is what the node gives.
//! Subgraphs are walked like any other nodes; here stands only how their ends meet the node's.

use crate::algebra::{Dim, Symbols, Term};
use crate::onnx;
use crate::onnx::proto::type_proto::Value as Type;
use crate::onnx::proto::{NodeProto, ValueInfoProto};
use crate::tensor::DType;

use super::Operator;
use super::context::{InferCx, Inferred, RelateCx, Related};
use super::fact::{Fact, axis};

/// `If`.
pub struct If;
/// `Loop`.
pub struct Loop;
/// `Scan`.
pub struct Scan;

/// The beginning of a branch.
struct EnterIf;
/// The beginning of a round of `Loop`.
struct EnterLoop;
/// The beginning of a round of `Scan`.
struct EnterScan;

/// Why sizes that differ between rounds or branches do not shrink.
const UNEQUAL: &str = "differs between rounds or branches";

/// Where the inputs and outputs of a node's subgraphs stand among its inputs. Subgraphs stand in the order of the
/// node's attributes, which says nothing: their names do.
struct Ends<'n> {
    /// The first input of the first subgraph.
    given: usize,
    /// Name of each subgraph, its first output, and how many it has.
    made: Vec<(&'n str, usize, usize)>,
}

impl<'n> Ends<'n> {
    fn of(node: &'n NodeProto) -> Ends<'n> {
        let given = node.input.len();
        let mut at = given + onnx::walk::subgraphs(node).map(|b| b.input.len()).sum::<usize>();
        let mut made = Vec::new();
        for (name, subgraph) in onnx::walk::named_subgraphs(node) {
            made.push((name, at, subgraph.output.len()));
            at += subgraph.output.len();
        }
        Ends { given, made }
    }

    /// The first output of the one subgraph of that name, which has at least as many as these.
    fn of_subgraph(&self, name: &str, outputs: usize) -> Option<usize> {
        let mut all = self.made.iter().filter(|(n, ..)| *n == name);
        let (Some((_, first, count)), None) = (all.next(), all.next()) else { return None };
        (*count >= outputs).then_some(*first)
    }

    /// The first output of the only subgraph.
    fn subgraph(&self, outputs: usize) -> Option<usize> {
        self.of_subgraph("body", outputs).filter(|_| self.made.len() == 1)
    }
}

/// The first outputs of the branches that may be taken: of one where the condition is known, as it is where exporters
/// ask for a rank or a size.
fn branches(ends: &Ends, condition: Option<Vec<i64>>, outputs: usize) -> Option<Vec<usize>> {
    let (yes, no) = (ends.of_subgraph("then_branch", outputs)?, ends.of_subgraph("else_branch", outputs)?);
    Some(match condition.as_deref() {
        Some([0]) => vec![no],
        Some([_]) => vec![yes],
        _ => vec![yes, no],
    })
}

/// Both sizes where they agree, else one that only a run can tell.
fn either(symbols: &mut Symbols, a: &[Dim], b: &[Dim], name: &str) -> Option<Vec<Dim>> {
    let one =
        |(k, (x, y)): (usize, (&Dim, &Dim))| if x == y { x.clone() } else { symbols.unknown(format!("{name}:{k}")) };
    (a.len() == b.len()).then(|| a.iter().zip(b).enumerate().map(one).collect())
}

/// Makes tensors one, axis by axis, as axes of the given sizes; sizes that differ freeze.
fn meet(cx: &mut RelateCx, tensors: &[Vec<Term>], shape: &[Dim]) -> Option<Vec<Term>> {
    let mut out = Vec::new();
    for (k, size) in shape.iter().enumerate() {
        let all: Vec<Term> = tensors.iter().map(|t| t.get(k).copied()).collect::<Option<_>>()?;
        let equal = all.iter().all(|t| cx.terms.size(*t) == *size);
        match all.split_first().filter(|_| equal) {
            Some((first, rest)) => {
                rest.iter().for_each(|t| cx.unify(*first, *t));
                out.push(*first);
            }
            None => {
                all.iter().for_each(|t| cx.freeze(*t, UNEQUAL));
                out.push(cx.frozen(size, UNEQUAL));
            }
        }
    }
    Some(out)
}

/// What is handed from round to round: output `o` of the node, from its input `first`; the subgraph takes it as input
/// `given` and gives it as input `made` of the node.
fn infer_carried(cx: &mut InferCx, told: &mut Inferred, o: usize, given: usize, made: usize) -> Option<()> {
    let (a, b) = (cx.shape(given)?.to_vec(), cx.shape(made)?.to_vec());
    if a.len() != b.len() {
        return None;
    }
    for (k, (x, y)) in a.iter().zip(&b).enumerate() {
        if x != y && !cx.symbols.is_unknown(x) {
            told.varying.push((given, k));
        }
    }
    let name = cx.node.output.get(o).cloned().unwrap_or_default();
    let (shape, dtype) = (either(cx.symbols, &a, &b, &name)?, cx.dtype(given));
    told.set(o, dtype, shape);
    Some(())
}

/// What `outputs` finds of all rounds. Sizes that vary are told even where they are in the way: they are opened, and
/// the subgraphs walked again.
fn all_rounds(outputs: impl FnOnce(&mut Inferred) -> Option<()>) -> Inferred {
    let mut told = Inferred::default();
    if outputs(&mut told).is_none() {
        told.outputs.clear();
    }
    told
}

fn relate_carried(cx: &mut RelateCx, o: usize, first: usize, given: usize, made: usize) -> Option<Vec<Term>> {
    let shape = cx.out_shape(o)?.to_vec();
    let tensors = [cx.input(first)?, cx.input(given)?, cx.input(made)?];
    meet(cx, &tensors, &shape)
}

/// What the subgraph is given of input `i` of the node, without its contents, which differ from round to round.
fn infer_handed(cx: &InferCx, i: usize) -> Option<Fact> {
    Some(Fact::new(cx.dtype(i), cx.shape(i)?.to_vec()))
}

fn relate_handed(cx: &mut RelateCx, i: usize, o: usize) -> Option<Vec<Term>> {
    let shape = cx.out_shape(o)?.to_vec();
    let x = cx.input(i)?;
    meet(cx, &[x], &shape)
}

impl Operator for EnterIf {
    fn infer(&self, _cx: &mut InferCx) -> Option<Inferred> {
        Some(Inferred::default())
    }

    fn relate(&self, _cx: &mut RelateCx) -> Option<Related> {
        Some(Related::default())
    }
}

impl Operator for If {
    fn about(&self) -> &'static str {
        "bodies are walked; what both branches give is one; where one is never taken, axes of the same size are"
    }

    fn enters(&self) -> Option<&'static dyn Operator> {
        Some(&EnterIf)
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let taken = branches(&Ends::of(cx.node), cx.numbers(0), cx.written)?;
        let (first, last) = (*taken.first()?, *taken.last()?);
        for o in 0..cx.written {
            let (a, b) = (cx.shape(first + o)?.to_vec(), cx.shape(last + o)?.to_vec());
            let name = cx.node.output.get(o).cloned().unwrap_or_default();
            let (shape, dtype) = (either(cx.symbols, &a, &b, &name)?, cx.dtype(first + o));
            let value = cx.value(first + o).filter(|_| first == last).cloned();
            told.set(o, dtype, shape);
            if let Some(v) = value {
                told.set_value(o, v);
            }
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let (ends, outputs) = (Ends::of(cx.node), cx.outputs.len());
        let (taken, all) = (branches(&ends, cx.numbers(0), outputs)?, branches(&ends, None, outputs)?);
        for o in 0..outputs {
            let shape = cx.out_shape(o)?.to_vec();
            let given = taken.iter().map(|b| cx.input(b + o)).collect::<Option<Vec<_>>>()?;
            let axes = meet(cx, &given, &shape)?;
            // Runtimes compare the shapes of both branches, whichever is taken.
            for never in all.iter().filter(|b| !taken.contains(b)) {
                let other = cx.input(never + o).filter(|t| t.len() == axes.len()).unwrap_or_default();
                for (a, b) in axes.iter().zip(&other) {
                    if cx.terms.size(*a) == cx.terms.size(*b) {
                        cx.unify(*a, *b);
                    }
                }
            }
            related.set(o, axes);
        }
        Some(related)
    }
}

/// Number of axes that a declaration gives.
fn rank(v: &ValueInfoProto) -> usize {
    match v.r#type.as_ref().and_then(|t| t.value.as_ref()) {
        Some(Type::TensorType(t)) => t.shape.as_ref().map_or(0, |s| s.dim.len()),
        _ => 0,
    }
}

/// Inputs of `Loop` before what is handed from round to round: number of rounds, condition.
const HEAD: usize = 2;

impl Operator for EnterLoop {
    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let subgraph = onnx::attr(cx.node, "body")?.g.as_ref()?;
        // Number of the round and condition: single numbers, which some writers declare with an axis of 1.
        for (o, dt) in [DType::Int64, DType::Bool].into_iter().enumerate() {
            let rank = subgraph.input.get(o).map_or(0, rank);
            told.set(o, dt, vec![Dim::from(1i64); rank]);
        }
        for k in HEAD..cx.written {
            *told.output(k) = infer_handed(cx, k)?;
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        for o in 0..HEAD {
            let axes = cx.frozen_tail(o, 0, "number of the round")?;
            related.set(o, axes);
        }
        for k in HEAD..cx.outputs.len() {
            related.set(k, relate_handed(cx, k, k)?);
        }
        Some(related)
    }
}

impl Loop {
    /// What comes out of all rounds.
    fn outputs(cx: &mut InferCx, told: &mut Inferred) -> Option<()> {
        let ends = Ends::of(cx.node);
        let carried = ends.given.checked_sub(HEAD)?;
        let made = ends.subgraph(1 + cx.written)?;
        for o in 0..cx.written {
            if o < carried {
                infer_carried(cx, told, o, ends.given + HEAD + o, made + 1 + o)?;
                continue;
            }
            let rounds = cx.unknown(o, 0);
            let shape = [&[rounds], cx.shape(made + 1 + o)?].concat();
            let dtype = cx.dtype(made + 1 + o);
            told.set(o, dtype, shape);
        }
        Some(())
    }
}

impl Operator for Loop {
    fn about(&self) -> &'static str {
        "the subgraph is walked; what goes from round to round is one, rounds that are put together freeze"
    }

    fn enters(&self) -> Option<&'static dyn Operator> {
        Some(&EnterLoop)
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        Some(all_rounds(|told| Self::outputs(cx, told)))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let ends = Ends::of(cx.node);
        let carried = ends.given.checked_sub(HEAD)?;
        let made = ends.subgraph(1 + cx.outputs.len())?;
        for o in 0..cx.outputs.len() {
            if o < carried {
                related.set(o, relate_carried(cx, o, HEAD + o, ends.given + HEAD + o, made + 1 + o)?);
                continue;
            }
            let each = cx.input(made + 1 + o)?;
            let rounds = cx.out_shape(o)?.first()?.clone();
            let rounds = cx.frozen(&rounds, "number of rounds");
            related.set(o, [&[rounds], &each[..]].concat());
        }
        Some(related)
    }
}

/// States of `Scan`, and for each scanned tensor the axis that its rounds run along.
struct Scanned {
    states: usize,
    axes: Vec<usize>,
}

impl Scanned {
    /// What goes in: input by input after the states.
    fn read(node: &NodeProto, opset: i64, rank: impl Fn(usize) -> Option<usize>) -> Option<Scanned> {
        // Before operator set 9 all tensors had a batch axis in front.
        let count = usize::try_from(onnx::attr_i(node, "num_scan_inputs")?).ok().filter(|_| opset >= 9)?;
        let states = node.input.len().checked_sub(count)?;
        let given = onnx::attr_ints(node, "scan_input_axes");
        let of = |k: usize| axis(given.and_then(|v| v.get(k).copied()).unwrap_or(0), rank(states + k)?);
        Some(Scanned { states, axes: (0..count).map(of).collect::<Option<_>>()? })
    }

    /// The axis that rounds of output `k` after the states are put together along.
    fn written(node: &NodeProto, k: usize, rank: usize) -> Option<usize> {
        axis(onnx::attr_ints(node, "scan_output_axes").and_then(|v| v.get(k).copied()).unwrap_or(0), rank)
    }
}

impl Operator for EnterScan {
    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let mut told = Inferred::default();
        let s = Scanned::read(cx.node, cx.opset, |i| cx.rank(i))?;
        for k in 0..s.states {
            *told.output(k) = infer_handed(cx, k)?;
        }
        for (k, a) in s.axes.into_iter().enumerate() {
            let (dtype, mut shape) = (cx.dtype(s.states + k), cx.shape(s.states + k)?.to_vec());
            shape.remove(a);
            told.set(s.states + k, dtype, shape);
        }
        Some(told)
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let s = Scanned::read(cx.node, cx.opset, |i| cx.rank(i))?;
        for k in 0..s.states {
            related.set(k, relate_handed(cx, k, k)?);
        }
        for (k, a) in s.axes.into_iter().enumerate() {
            let mut axes = cx.input(s.states + k)?;
            cx.freeze(axes.remove(a), "number of rounds");
            related.set(s.states + k, axes);
        }
        Some(related)
    }
}

impl Scan {
    /// What comes out of all rounds.
    fn outputs(cx: &mut InferCx, told: &mut Inferred) -> Option<()> {
        let (ends, s) = (Ends::of(cx.node), Scanned::read(cx.node, cx.opset, |i| cx.rank(i))?);
        let made = ends.subgraph(cx.written)?;
        let rounds = cx.shape(s.states)?.get(*s.axes.first()?)?.clone();
        for o in 0..cx.written {
            if o < s.states {
                infer_carried(cx, told, o, ends.given + o, made + o)?;
                continue;
            }
            let (dtype, mut shape) = (cx.dtype(made + o), cx.shape(made + o)?.to_vec());
            shape.insert(Scanned::written(cx.node, o - s.states, shape.len() + 1)?, rounds.clone());
            told.set(o, dtype, shape);
        }
        Some(())
    }
}

impl Operator for Scan {
    fn about(&self) -> &'static str {
        "the subgraph is walked; states go from round to round as one, the scanned axis freezes"
    }

    fn enters(&self) -> Option<&'static dyn Operator> {
        Some(&EnterScan)
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        Some(all_rounds(|told| Self::outputs(cx, told)))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let mut related = Related::default();
        let (ends, s) = (Ends::of(cx.node), Scanned::read(cx.node, cx.opset, |i| cx.rank(i))?);
        let made = ends.subgraph(cx.outputs.len())?;
        for o in 0..cx.outputs.len() {
            if o < s.states {
                related.set(o, relate_carried(cx, o, o, ends.given + o, made + o)?);
                continue;
            }
            let mut axes = cx.input(made + o)?;
            let at = Scanned::written(cx.node, o - s.states, axes.len() + 1)?;
            let rounds = cx.out_shape(o)?.get(at)?.clone();
            let rounds = cx.frozen(&rounds, "number of rounds");
            axes.insert(at, rounds);
            related.set(o, axes);
        }
        Some(related)
    }
}
