//! Sequences of tensors, written out as the tensors that they hold: what reads a sequence reads tensors.
//!
//! Exporters put tensors into a sequence only to take them out again, often in a loop with a fixed number of rounds.
//! Where the file tells what a sequence holds, an element is that tensor under another name, and a loop that fills
//! the sequence is its rounds one after the other. A sequence whose length or reading position only a run can tell
//! stays as it is. Bodies that stay are not looked into.

mod rounds;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::graph::captures;
use super::inline::{Names, names};
use super::proto::tensor_shape_proto::dimension::Value as Size;
use super::proto::type_proto::Value as Type;
use super::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use super::{DType, attr_i, constant, from_i64, set_attr_i, set_attr_ints, to_i64};

/// Tensors in one sequence, in all of them, and nodes: what would make more stays.
const MAX_LENGTH: usize = 1 << 12;
const MAX_HELD: usize = 1 << 20;
const MAX_NODES: usize = 1 << 15;

/// Longer constants are no lengths and positions.
const MAX_NUMBERS: usize = 64;

/// Replaces operators on sequences by operators on tensors; gives how many it replaced. The nodes must stand in order.
pub(super) fn write_out(graph: &mut GraphProto, opset: i64) -> usize {
    if !graph.node.iter().any(|n| n.op_type().contains("Sequence")) {
        return 0;
    }
    let mut w = Writer::new(graph, opset);
    for node in std::mem::take(&mut graph.node) {
        w.node(node, 0);
    }
    let Writer { nodes, held, scratch, tensors, replaced, .. } = w;
    let mut read: HashSet<String> = graph.output.iter().map(|v| v.name().to_owned()).collect();
    let mut gone = HashSet::new();
    // Whatever was only there for the sequence goes with it.
    for node in nodes.into_iter().rev() {
        let only = |o: &String| o.is_empty() || held.contains_key(o) || scratch.contains(o);
        if !node.output.is_empty() && node.output.iter().all(|o| only(o) && !read.contains(o)) {
            gone.extend(node.output);
            continue;
        }
        read.extend(node.input.iter().cloned());
        read.extend(captures(&node).into_iter().map(str::to_owned));
        graph.node.push(node);
    }
    graph.node.reverse();
    graph.initializer.extend(tensors.into_iter().filter(|t| read.contains(t.name())));
    graph.value_info.retain(|v| !gone.contains(v.name()));
    replaced
}

/// A small constant of whole numbers.
#[derive(Clone)]
struct Numbers {
    rank: usize,
    values: Vec<i64>,
}

struct Writer {
    opset: i64,
    taken: Names,
    numbers: HashMap<String, Numbers>,
    /// Sizes that the file declares.
    shapes: HashMap<String, Vec<Option<i64>>>,
    /// The tensors of each sequence that is known.
    held: HashMap<String, Vec<Rc<str>>>,
    /// How many tensors these are in all, with those that nodes join.
    count: usize,
    /// Tensors that only stand for parts of a sequence.
    scratch: HashSet<String>,
    nodes: Vec<NodeProto>,
    tensors: Vec<TensorProto>,
    replaced: usize,
}

impl Writer {
    fn new(graph: &GraphProto, opset: i64) -> Writer {
        let mut taken = Names::default();
        names(graph, &mut taken);
        let declared = graph.value_info.iter().chain(&graph.input);
        let shapes = declared.filter_map(|v| Some((v.name().to_owned(), sizes(v)?)));
        let dims = |t: &TensorProto| (t.name().to_owned(), t.dims.iter().map(|d| Some(*d)).collect());
        let mut w = Writer {
            opset,
            taken,
            numbers: HashMap::new(),
            shapes: shapes.chain(graph.initializer.iter().map(dims)).collect(),
            held: HashMap::new(),
            count: 0,
            scratch: HashSet::new(),
            nodes: Vec::new(),
            tensors: Vec::new(),
            replaced: 0,
        };
        // What a caller may give is no constant.
        let given: BTreeSet<&str> = graph.input.iter().map(ValueInfoProto::name).collect();
        for t in graph.initializer.iter().filter(|t| !given.contains(t.name())) {
            w.learn(t.name(), t);
        }
        w
    }

    /// Notes a constant that may be a length or a position.
    fn learn(&mut self, name: &str, t: &TensorProto) {
        let small = t.dims.iter().all(|d| (0..=MAX_NUMBERS as i64).contains(d)) && t.dims.len() < 2;
        if let Some(values) = small.then(|| to_i64(t).ok()).flatten() {
            self.numbers.insert(name.to_owned(), Numbers { rank: t.dims.len(), values });
        }
    }

    fn fresh(&mut self, base: &str) -> String {
        self.taken.fresh(base.to_owned())
    }

    /// A new constant.
    fn constant(&mut self, base: &str, shape: &[usize], data: &[i64]) -> Option<String> {
        let name = self.fresh(base);
        let t = from_i64(&name, shape, data).ok()?;
        self.learn(&name, &t);
        self.tensors.push(t);
        Some(name)
    }

    fn node(&mut self, node: NodeProto, depth: usize) {
        let plain = super::attr::plain(node.domain()).is_empty();
        let before = self.nodes.len();
        match plain.then(|| self.rule(&node, depth)).flatten() {
            Some(Done::Replaced) => self.replaced += 1,
            // The sequence itself is still there for those that must read it as one.
            Some(Done::Known(tensors)) if tensors.len() <= MAX_LENGTH && self.count < MAX_HELD => {
                self.replaced += 1;
                self.count += tensors.len();
                self.held.extend(node.output.first().map(|o| (o.clone(), tensors)));
                self.nodes.push(node);
            }
            _ => {
                self.nodes.truncate(before);
                self.nodes.push(node);
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
            "SplitToSequence" => Done::Known(self.split(node)?.iter().map(|n| n.as_str().into()).collect()),
            "SequenceAt" => {
                let all = self.sequence(node)?;
                let at = self.position(node.input.get(1)?, all.len().checked_sub(1)?)?;
                self.node(copy(node, "Identity", vec![all.get(at)?.to_string()]), depth);
                Done::Replaced
            }
            "SequenceLength" => {
                let length = self.sequence(node)?.len() as i64;
                let name = self.constant("length", &[], &[length])?;
                self.node(copy(node, "Identity", vec![name]), depth);
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
                let mut made = copy(node, "Concat", (!all.is_empty()).then_some(all)?);
                set_attr_i(&mut made, "axis", axis);
                self.nodes.push(made);
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
    fn split(&mut self, node: &NodeProto) -> Option<Vec<String>> {
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
        let mut made = copy(node, "Split", vec![x.clone()]);
        set_attr_i(&mut made, "axis", axis);
        if self.opset >= 13 {
            made.input.push(self.constant("split", &[sizes.len()], &sizes)?);
        } else {
            set_attr_ints(&mut made, "split", &sizes);
        }
        let first = node.output.first()?.clone();
        made.output = sizes.iter().map(|_| self.fresh(&first)).collect();
        self.scratch.extend(made.output.iter().cloned());
        let mut parts = (!made.output.is_empty()).then(|| made.output.clone())?;
        self.nodes.push(made);
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
        let mut made = NodeProto { name: Some(name), ..copy(node, op, vec![tensor.to_owned()]) };
        if self.opset >= 13 {
            made.input.push(self.constant("axes", &[1], &[axis])?);
        } else {
            set_attr_ints(&mut made, "axes", &[axis]);
        }
        made.output = vec![out.clone()];
        self.scratch.insert(out.clone());
        self.nodes.push(made);
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

/// Another operator under the name of `like`, with its outputs.
fn copy(like: &NodeProto, op: &str, input: Vec<String>) -> NodeProto {
    NodeProto {
        op_type: Some(op.to_owned()),
        input,
        output: like.output.clone(),
        name: like.name.clone(),
        doc_string: like.doc_string.clone(),
        metadata_props: like.metadata_props.clone(),
        ..NodeProto::default()
    }
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

/// A truth value of any rank.
fn truth(name: &str, rank: usize, value: bool) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(DType::Bool as i32),
        dims: vec![1; rank],
        int32_data: vec![value.into()],
        ..TensorProto::default()
    }
}
