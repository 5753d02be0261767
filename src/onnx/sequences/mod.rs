//! Sequences of tensors, written out as the tensors that they hold: what reads a sequence reads tensors.
//!
//! Exporters put tensors into a sequence only to take them out again, often in a loop with a fixed number of rounds.
//! Where the file tells what a sequence holds, an element is that tensor under another name, and a loop that fills
//! the sequence is its rounds one after the other. A sequence whose length or reading position only a run can tell
//! stays as it is. Subgraphs that stay are not looked into.

mod rounds;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::edit::{Editor, Emit, NewNode};
use super::proto::tensor_shape_proto::dimension::Value as Size;
use super::proto::type_proto::Value as Type;
use super::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use super::{attr_i, constant, to_i64};

/// Tensors in one sequence, in all of them, and nodes: what would make more stays.
const MAX_LENGTH: usize = 1 << 12;
const MAX_HELD: usize = 1 << 20;
const MAX_NODES: usize = 1 << 14;

/// Longer constants are no lengths and positions.
const MAX_NUMBERS: usize = 64;

/// Replaces operators on sequences by operators on tensors; gives how many it replaced. The nodes must stand in order.
pub(super) fn write_out(graph: &mut GraphProto, opset: i64) -> usize {
    if !graph.node.iter().any(|n| n.op_type().contains("Sequence")) {
        return 0;
    }
    let initializers = graph.initializer.len();
    let mut w = Writer::new(std::mem::take(graph), opset);
    while let Some(node) = w.edit.next() {
        w.node(node, 0);
    }
    let Writer { mut edit, held, scratch, replaced, .. } = w;
    // Whatever was only there for the sequence goes with it.
    let mut gone = HashSet::new();
    let read = edit.drop_dead(|node| {
        let only = |o: &String| o.is_empty() || held.contains_key(o) || scratch.contains(o);
        let goes = !node.output.is_empty() && node.output.iter().all(only);
        gone.extend(node.output.iter().filter(|_| goes).cloned());
        goes
    });
    *graph = edit.finish();
    let new = graph.initializer.split_off(initializers);
    graph.initializer.extend(new.into_iter().filter(|t| read.contains(t.name())));
    graph.value_info.retain(|v| !gone.contains(v.name()));
    replaced
}

/// A small constant of integers.
#[derive(Clone)]
struct Numbers {
    rank: usize,
    values: Vec<i64>,
}

struct Writer {
    edit: Editor,
    numbers: HashMap<String, Numbers>,
    /// Sizes that the file declares.
    shapes: HashMap<String, Vec<Option<i64>>>,
    /// The tensors of each sequence that is known.
    held: HashMap<String, Vec<Rc<str>>>,
    /// How many tensors these are in all, with those that nodes join.
    count: usize,
    /// Tensors that only stand for parts of a sequence.
    scratch: HashSet<String>,
    replaced: usize,
}

impl Emit for Writer {
    fn opset(&self) -> i64 {
        self.edit.opset()
    }

    fn fresh(&mut self, base: &str) -> String {
        self.edit.fresh(base)
    }

    fn emit(&mut self, node: NodeProto) {
        self.edit.emit(node);
    }

    fn hold(&mut self, tensor: TensorProto) {
        self.learn(tensor.name(), &tensor);
        self.edit.hold(tensor);
    }
}

impl Writer {
    fn new(graph: GraphProto, opset: i64) -> Writer {
        let edit = Editor::open(graph, opset);
        let graph = edit.graph();
        let declared = graph.value_info.iter().chain(&graph.input);
        let shapes = declared.filter_map(|v| Some((v.name().to_owned(), sizes(v)?)));
        let dims = |t: &TensorProto| (t.name().to_owned(), t.dims.iter().map(|d| Some(*d)).collect());
        // What a caller may give is no constant.
        let given: BTreeSet<&str> = graph.input.iter().map(ValueInfoProto::name).collect();
        let constants = graph.initializer.iter().filter(|t| !given.contains(t.name()));
        Writer {
            numbers: constants.filter_map(|t| Some((t.name().to_owned(), numbers(t)?))).collect(),
            shapes: shapes.chain(graph.initializer.iter().map(dims)).collect(),
            edit,
            held: HashMap::new(),
            count: 0,
            scratch: HashSet::new(),
            replaced: 0,
        }
    }

    /// Notes a constant that may be a length or a position.
    fn learn(&mut self, name: &str, t: &TensorProto) {
        self.numbers.extend(numbers(t).map(|n| (name.to_owned(), n)));
    }

    fn node(&mut self, node: NodeProto, depth: usize) {
        let plain = super::attr::plain(node.domain()).is_empty();
        let before = self.edit.done();
        match plain.then(|| self.rule(&node, depth)).flatten() {
            Some(Done::Replaced) => self.replaced += 1,
            // The sequence itself is still there for those that must read it as one.
            Some(Done::Known(tensors)) if tensors.len() <= MAX_LENGTH && self.count < MAX_HELD => {
                self.replaced += 1;
                self.count += tensors.len();
                self.held.extend(node.output.first().map(|o| (o.clone(), tensors)));
                self.emit(node);
            }
            _ => {
                self.edit.undo(before);
                self.emit(node);
            }
        }
    }

    /// What a node is without sequences; `None` where it has nothing to do with one, or not with one that is known.
    fn rule(&mut self, node: &NodeProto, depth: usize) -> Option<Done> {
        Some(match node.op_type() {
            "Constant" => {
                let t = constant(node)?;
                self.learn(node.output.first()?, &t);
                return None;
            }
            "Identity" => match (self.sequence(node), node.input.first().and_then(|i| self.numbers.get(i))) {
                (Some(tensors), _) => Done::Known(tensors),
                (None, number) => {
                    let known = (node.output.first()?.clone(), number?.clone());
                    self.numbers.extend([known]);
                    return None;
                }
            },
            "SequenceEmpty" => Done::Known(Vec::new()),
            "SequenceConstruct" => Done::Known(node.input.iter().map(|n| n.as_str().into()).collect()),
            "SequenceInsert" => {
                let mut all = self.sequence(node)?;
                let at = match node.input.get(2).filter(|p| !p.is_empty()) {
                    Some(p) => self.position(p, all.len())?,
                    None => all.len(),
                };
                all.insert(at, node.input.get(1)?.as_str().into());
                Done::Known(all)
            }
            "SequenceErase" => {
                let mut all = self.sequence(node)?;
                let last = all.len().checked_sub(1)?;
                let at = match node.input.get(1).filter(|p| !p.is_empty()) {
                    Some(p) => self.position(p, last)?,
                    None => last,
                };
                all.remove(at);
                Done::Known(all)
            }
            "SplitToSequence" => Done::Known(self.parts(node)?.iter().map(|n| n.as_str().into()).collect()),
            "SequenceAt" => {
                let all = self.sequence(node)?;
                let at = self.position(node.input.get(1)?, all.len().checked_sub(1)?)?;
                self.node(instead(node, "Identity").input(&**all.get(at)?).build(), depth);
                Done::Replaced
            }
            "SequenceLength" => {
                let length = self.sequence(node)?.len() as i64;
                let name = self.ints("length", &[], &[length]).ok()?;
                self.node(instead(node, "Identity").input(name).build(), depth);
                Done::Replaced
            }
            "ConcatFromSequence" => {
                let (all, axis) = (self.sequence(node)?, attr_i(node, "axis")?);
                let mut all: Vec<String> = all.iter().map(|t| t.to_string()).collect();
                if all.len() > MAX_LENGTH || self.count > MAX_HELD {
                    return None;
                }
                self.count += all.len();
                if attr_i(node, "new_axis") == Some(1) {
                    all = all.iter().map(|t| self.along_axis(node, "Unsqueeze", t, axis)).collect::<Option<_>>()?;
                }
                let made = instead(node, "Concat").inputs((!all.is_empty()).then_some(all)?).int("axis", axis);
                self.emit(made.build());
                Done::Replaced
            }
            "Loop" => self.rounds(node, depth)?,
            _ => return None,
        })
    }

    /// The tensors of the sequence that a node reads.
    fn sequence(&self, node: &NodeProto) -> Option<Vec<Rc<str>>> {
        self.held.get(node.input.first()?).cloned()
    }

    /// The position that a constant gives, up to `last`; negative ones count from behind it.
    fn position(&self, name: &str, last: usize) -> Option<usize> {
        let [at] = self.numbers.get(name)?.values[..] else { return None };
        let length = i64::try_from(last).ok()?.checked_add(1)?;
        let at = if at < 0 { at.checked_add(length)? } else { at };
        usize::try_from(at).ok().filter(|at| *at <= last)
    }

    /// The parts of a tensor, which a Split now makes.
    fn parts(&mut self, node: &NodeProto) -> Option<Vec<String>> {
        let x = node.input.first()?;
        let axis = attr_i(node, "axis").unwrap_or(0);
        let given = node.input.get(1).filter(|s| !s.is_empty());
        let sizes = match given.map(|s| self.numbers.get(s)) {
            Some(Some(n)) if n.rank == 1 => n.values.clone(),
            Some(None) => return None,
            each => {
                let each = each.flatten().map_or(Some(1), |n| n.values.first().copied())?;
                chunks(self.size(x, axis)?, each)?
            }
        };
        let made = self.split(x, axis, &sizes).ok()?.in_place_of(node);
        let first = node.output.first()?.clone();
        let mut parts: Vec<String> = sizes.iter().map(|_| self.fresh(&first)).collect();
        self.scratch.extend(parts.iter().cloned());
        if parts.is_empty() {
            return None;
        }
        self.emit(made.outputs(&parts).build());
        if given.is_none() && attr_i(node, "keepdims") == Some(0) {
            parts = parts.iter().map(|t| self.along_axis(node, "Squeeze", t, axis)).collect::<Option<_>>()?;
        }
        Some(parts)
    }

    /// The size of an axis that the file declares.
    fn size(&self, tensor: &str, axis: i64) -> Option<i64> {
        let shape = self.shapes.get(tensor)?;
        let axis = if axis < 0 { axis.checked_add(shape.len() as i64)? } else { axis };
        *shape.get(usize::try_from(axis).ok()?)?
    }

    /// Squeeze or Unsqueeze of a tensor, on behalf of a node.
    fn along_axis(&mut self, node: &NodeProto, op: &str, tensor: &str, axis: i64) -> Option<String> {
        let out = self.fresh(node.output.first()?);
        let name = self.fresh(node.name());
        let made = instead(node, op).input(tensor).name(name).outputs([&out]);
        let made = self.listed(made, "axes", "axes", &[axis]).ok()?;
        self.scratch.insert(out.clone());
        self.emit(made.build());
        Some(out)
    }
}

/// What became of a node.
enum Done {
    /// Other nodes write what it wrote.
    Replaced,
    /// It writes a sequence of these tensors.
    Known(Vec<Rc<str>>),
}

/// Another operator in the place of a node.
fn instead(node: &NodeProto, op: &str) -> NewNode {
    NewNode::new(op).in_place_of(node)
}

/// What a small constant of integers holds.
fn numbers(t: &TensorProto) -> Option<Numbers> {
    let small = t.dims.iter().all(|d| (0..=MAX_NUMBERS as i64).contains(d)) && t.dims.len() < 2;
    Some(Numbers { rank: t.dims.len(), values: small.then(|| to_i64(t).ok()).flatten()? })
}

/// Parts of this size, the last one smaller where it does not come out even.
fn chunks(size: i64, each: i64) -> Option<Vec<i64>> {
    let (size, each) = (usize::try_from(size).ok()?, usize::try_from(each).ok().filter(|n| *n > 0)?);
    let count = Some(size.div_ceil(each)).filter(|n| *n <= MAX_LENGTH)?;
    let part = |k: usize| i64::try_from(each.min(size - k * each)).ok();
    (0..count).map(part).collect()
}

/// Sizes of a tensor that the file declares.
fn sizes(v: &ValueInfoProto) -> Option<Vec<Option<i64>>> {
    let Some(Type::TensorType(t)) = v.r#type.as_ref()?.value.as_ref() else { return None };
    let known = |s: &Option<Size>| if let Some(Size::DimValue(n)) = s { Some(*n) } else { None };
    Some(t.shape.as_ref()?.dim.iter().map(|d| known(&d.value)).collect())
}
