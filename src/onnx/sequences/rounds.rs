//! Loops over sequences: their rounds, one after the other.

use std::collections::BTreeSet;

use super::{Done, MAX_NODES, Writer, instead};
use crate::onnx::edit::Emit;
use crate::onnx::graph::captures;
use crate::onnx::inline::one_call;
use crate::onnx::proto::type_proto::Value as Type;
use crate::onnx::proto::{FunctionProto, GraphProto, NodeProto, ValueInfoProto};
use crate::onnx::{attr, constant, to_i64};

/// Loops that go round more often than this stay, as do those nested deeper than this.
const MAX_ROUNDS: i64 = 1 << 10;
const MAX_DEPTH: usize = 8;

/// Inputs before what is handed from round to round: number of rounds, condition.
const HEAD: usize = 2;

/// Identity takes sequences since this operator set.
const IDENTITY_OF_SEQUENCES: i64 = 14;

impl Writer {
    /// Writes out a loop that goes round a known number of times and handles a sequence that is known. A round is a
    /// call of the subgraph.
    pub(super) fn rounds(&mut self, node: &NodeProto, depth: usize) -> Option<Done> {
        let subgraph = attr(node, "body")?.g.as_ref()?;
        let carried: Vec<&String> = node.input.iter().skip(HEAD).collect();
        let captured: Vec<String> = captures(node).into_iter().map(str::to_owned).collect();
        let handles = |n: &String| self.held.contains_key(n);
        let fits = subgraph.input.len() == HEAD + carried.len() && subgraph.output.len() == 1 + carried.len();
        let known = carried.iter().any(|n| handles(n)) || captured.iter().any(handles);
        if !fits || !known || depth >= MAX_DEPTH || !subgraph.sparse_initializer.is_empty() {
            return None;
        }
        let [count] = self.numbers.get(node.input.first()?)?.values[..] else { return None };
        let count = usize::try_from(count.clamp(0, MAX_ROUNDS + 1)).ok().filter(|n| *n as i64 <= MAX_ROUNDS)?;
        let size = count.checked_mul(subgraph.node.len())?;
        let condition = node.input.get(1).filter(|c| !c.is_empty());
        let goes_on = condition.is_none_or(|c| self.is_true(c)) && self.always(subgraph);
        let direct = count > 0 && makes_each(subgraph);
        if !goes_on || self.edit.done() + size > MAX_NODES || !direct && self.opset() < IDENTITY_OF_SEQUENCES {
            return None;
        }

        let condition = match condition {
            Some(c) => c.clone(),
            // It is no constant that anything may be decided by.
            None => self.edit.bools("condition", &vec![1; subgraph.input.get(1).map_or(0, rank)], &[true]).ok()?,
        };
        let (function, shared) = self.subgraph(node, subgraph, captured);
        let mut given: Vec<String> = carried.into_iter().cloned().collect();
        for k in 0..count {
            let number = self.ints("round", &vec![1; subgraph.input.first().map_or(0, rank)], &[k as i64]).ok()?;
            let made: Vec<String> = match k + 1 == count {
                true => node.output.clone(),
                false => subgraph.output.iter().skip(1).map(|v| self.fresh(v.name())).collect(),
            };
            let call = instead(node, "")
                .inputs([&[number, condition.clone()], &given[..], &shared].concat())
                .outputs([&[String::new()], &made[..]].concat());
            for n in one_call(self.edit.names(), &call.build(), &function) {
                self.node(n, depth + 1);
            }
            given = made;
        }
        if count == 0 {
            for (from, to) in given.into_iter().zip(&node.output).filter(|(_, to)| !to.is_empty()) {
                let name = self.fresh(node.name());
                let same = instead(node, "Identity").name(name).input(from).outputs([to]);
                self.node(same.build(), depth + 1);
            }
        }
        Some(Done::Replaced)
    }

    /// The subgraph as a function of what it is given and of what all rounds share, and the names of the latter:
    /// tensors around it and constants in it.
    fn subgraph(
        &mut self,
        node: &NodeProto,
        subgraph: &GraphProto,
        captured: Vec<String>,
    ) -> (FunctionProto, Vec<String>) {
        let (mut formal, mut shared) = (captured.clone(), captured);
        for t in &subgraph.initializer {
            let mut t = t.clone();
            let name = self.fresh(&format!("{}/{}", node.name(), t.name()));
            formal.extend(t.name.replace(name.clone()));
            self.hold(t);
            shared.push(name);
        }
        let (constants, nodes): (Vec<_>, Vec<_>) = subgraph.node.iter().cloned().partition(is_constant);
        for mut c in constants {
            c.name = Some(self.fresh(&format!("{}/{}", node.name(), c.name())));
            for o in &mut c.output {
                let name = self.fresh(&format!("{}/{o}", node.name()));
                formal.push(std::mem::replace(o, name.clone()));
                shared.push(name);
            }
            self.node(c, 0);
        }
        let names = |all: &[ValueInfoProto]| all.iter().map(|v| v.name().to_owned()).collect::<Vec<_>>();
        let input = [names(&subgraph.input), formal].concat();
        (FunctionProto { input, output: names(&subgraph.output), node: nodes, ..FunctionProto::default() }, shared)
    }

    fn is_true(&self, name: &str) -> bool {
        self.numbers.get(name).is_some_and(|n| n.values == [1])
    }

    /// Whether a subgraph says after every round that there is to be another.
    fn always(&self, subgraph: &GraphProto) -> bool {
        let Some(mut name) = subgraph.output.first().map(|v| v.name()) else { return false };
        let given = subgraph.input.get(1).map_or("", |v| v.name());
        for _ in 0..=subgraph.node.len() {
            if name == given {
                return true;
            }
            if let Some(t) = subgraph.initializer.iter().find(|t| t.name() == name) {
                return to_i64(t).is_ok_and(|v| v == [1]);
            }
            let Some(n) = subgraph.node.iter().find(|n| n.output.iter().any(|o| o == name)) else {
                return self.is_true(name);
            };
            match (n.op_type(), n.input.first()) {
                ("Constant", _) => return constant(n).and_then(|t| to_i64(&t).ok()).is_some_and(|v| v == [1]),
                ("Identity" | "Cast", Some(from)) => name = from,
                _ => return false,
            }
        }
        false
    }
}

fn is_constant(n: &NodeProto) -> bool {
    n.op_type() == "Constant" && n.domain().is_empty()
}

/// Whether each output of a subgraph but the condition is written by a node of its own output, so that no alias is
/// needed.
fn makes_each(subgraph: &GraphProto) -> bool {
    let made: BTreeSet<&str> = subgraph.node.iter().flat_map(|n| &n.output).map(String::as_str).collect();
    let mut seen = BTreeSet::new();
    subgraph.output.iter().skip(1).all(|v| made.contains(v.name()) && seen.insert(v.name()))
}

/// Number of axes that a declaration gives.
fn rank(v: &ValueInfoProto) -> usize {
    match v.r#type.as_ref().and_then(|t| t.value.as_ref()) {
        Some(Type::TensorType(t)) => t.shape.as_ref().map_or(0, |s| s.dim.len()),
        _ => 0,
    }
}
