//! Functions of the model, written out where they are called: every node left is an operator.

use std::collections::{HashMap, HashSet};

use prost::Message;

use super::edit::{Names, NewNode};
use super::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto};
use super::{Error, Result, attr::plain, walk};

/// Calls within calls deeper than this stay calls, as do those that would nest subgraphs deeper than this: a decoder
/// would refuse them.
const MAX_DEPTH: usize = 32;
const MAX_NESTING: usize = 24;

/// What all calls may make together, in encoded bytes: this, and this many times the file.
const BUDGET: u64 = 1 << 20;
const TIMES_THE_FILE: u64 = 4;

/// What a node costs beside its encoded bytes.
const NODE: u64 = 100;

/// Names within a call begin with its name, as far as this.
const MAX_LABEL: usize = 256;

/// What became of the calls.
#[derive(Default)]
pub(super) struct Written {
    /// Calls that were written out.
    pub calls: usize,
    /// Calls that stay because they would be too large.
    pub too_large: usize,
}

/// Replaces calls by what their functions do. A function whose operator sets are not the model's stays a call, as does
/// what would be out of proportion to the file.
///
/// # Errors
/// [`Error::Recursion`] when a function calls itself, which the format forbids.
pub(super) fn inline(model: &mut ModelProto) -> Result<Written> {
    if model.functions.is_empty() {
        return Ok(Written::default());
    }
    let mut left = BUDGET + TIMES_THE_FILE.saturating_mul(model.encoded_len() as u64);
    left = left.min(i64::MAX as u64);
    let functions = std::mem::take(&mut model.functions);
    let index: HashMap<Key, usize> = functions.iter().enumerate().map(|(k, f)| (key_of(f), k)).collect();
    let imports: Vec<_> = functions.iter().map(|f| missing_imports(model, f)).collect();
    let usable = |k: usize| imports.get(k).is_some_and(Option::is_some);
    let costs = costs(&functions, &index, usable, left)?;
    let mut inliner = Inliner { functions: HashMap::new(), taken: Names::default(), written: Written::default(), left };
    for ((k, f), imports) in functions.iter().enumerate().zip(imports) {
        if let Some(imports) = imports.filter(|_| index.get(&key_of(f)) == Some(&k)) {
            model.opset_import.extend(imports);
            inliner.functions.insert(key_of(f), (f, costs.get(k).copied().flatten()));
        }
    }
    if let Some(graph) = &mut model.graph {
        inliner.taken = Names::of(graph);
        inliner.graph(graph, 0, false);
    }
    let written = inliner.written;
    let mut called = HashSet::new();
    model.graph.iter().for_each(|g| calls_in(&g.node, &mut called));
    // What a function that stays calls stays too.
    let mut rest = functions;
    loop {
        let (stay, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|f| called.contains(&(plain(f.domain()).to_owned(), f.name().to_owned())));
        if stay.is_empty() {
            return Ok(written);
        }
        stay.iter().for_each(|f| calls_in(&f.node, &mut called));
        model.functions.extend(stay);
        rest = others;
    }
}

/// Domain, name and overload.
type Key<'f> = (&'f str, &'f str, &'f str);

fn key_of(f: &FunctionProto) -> Key<'_> {
    (plain(f.domain()), f.name(), f.overload())
}

/// What writing out one call of a function makes.
#[derive(Clone, Copy)]
struct Cost {
    bytes: u64,
    /// Calls within calls.
    depth: usize,
    /// Subgraphs within subgraphs.
    nesting: usize,
}

/// What calls of each function make, calls within them included; `None` where one is not to be written out.
fn costs(
    functions: &[FunctionProto],
    index: &HashMap<Key, usize>,
    usable: impl Fn(usize) -> bool,
    budget: u64,
) -> Result<Vec<Option<Cost>>> {
    /// Functions that nodes call, with the nesting of the call; what other nodes cost, and how deep they nest.
    fn look<'n>(nodes: &'n [NodeProto], level: usize, f: &mut impl FnMut(&'n NodeProto, usize)) {
        for n in nodes {
            f(n, level);
            walk::subgraphs(n).for_each(|b| look(&b.node, level + 1, f));
        }
    }
    let mut calls: Vec<Vec<(usize, usize, u64)>> = vec![Vec::new(); functions.len()];
    let mut own: Vec<Cost> = Vec::new();
    for (k, f) in functions.iter().enumerate() {
        let mut cost = Cost { bytes: 0, depth: 1, nesting: 0 };
        look(&f.node, 0, &mut |n, level| {
            let subgraphs: usize = walk::subgraphs(n).map(Message::encoded_len).sum();
            let bytes = NODE + n.encoded_len().saturating_sub(subgraphs) as u64;
            cost.nesting = cost.nesting.max(level + usize::from(walk::subgraphs(n).next().is_some()));
            match index.get(&(plain(n.domain()), n.op_type(), n.overload())) {
                Some(&called) => calls[k].push((called, level, bytes)),
                None => cost.bytes = cost.bytes.saturating_add(bytes),
            }
        });
        own.push(cost);
    }
    // Those that call nothing first, then those that only call these.
    let mut callers: Vec<Vec<usize>> = vec![Vec::new(); functions.len()];
    let mut waiting: Vec<usize> = calls.iter().map(Vec::len).collect();
    for (k, calls) in calls.iter().enumerate() {
        calls.iter().for_each(|(called, ..)| callers[*called].push(k));
    }
    let mut ready: Vec<usize> = (0..functions.len()).filter(|k| waiting[*k] == 0).collect();
    let (mut out, mut done) = (vec![None; functions.len()], 0);
    while let Some(k) = ready.pop() {
        done += 1;
        let mut cost = own[k];
        for &(called, level, bytes) in &calls[k] {
            let inner = out[called].unwrap_or(Cost { bytes, depth: 0, nesting: 0 });
            cost.bytes = cost.bytes.saturating_add(inner.bytes);
            cost.depth = cost.depth.max(1 + inner.depth);
            cost.nesting = cost.nesting.max(level + inner.nesting);
        }
        let fits = cost.bytes <= budget && cost.depth <= MAX_DEPTH && cost.nesting <= MAX_NESTING;
        out[k] = Some(cost).filter(|_| fits && usable(k));
        for &caller in &callers[k] {
            waiting[caller] -= 1;
            if waiting[caller] == 0 {
                ready.push(caller);
            }
        }
    }
    match waiting.iter().position(|w| *w > 0).filter(|_| done < functions.len()) {
        // Walking down from one that waits, through others that do, ends on the circle.
        Some(mut k) => {
            for _ in 0..functions.len() {
                k = calls[k].iter().map(|c| c.0).find(|c| waiting[*c] > 0).unwrap_or(k);
            }
            Err(Error::Recursion { function: functions[k].name().to_owned() })
        }
        None => Ok(out),
    }
}

/// Imports that the model lacks; `None` where it has another version of one.
fn missing_imports(model: &ModelProto, f: &FunctionProto) -> Option<Vec<OperatorSetIdProto>> {
    let mut missing = Vec::new();
    for wanted in &f.opset_import {
        match model.opset_import.iter().find(|o| plain(o.domain()) == plain(wanted.domain())) {
            Some(have) if have.version() != wanted.version() => return None,
            Some(_) => {}
            None => missing.push(wanted.clone()),
        }
    }
    Some(missing)
}

fn calls_in(nodes: &[NodeProto], out: &mut HashSet<(String, String)>) {
    for n in nodes {
        out.insert((plain(n.domain()).to_owned(), n.op_type().to_owned()));
        walk::subgraphs(n).for_each(|b| calls_in(&b.node, out));
    }
}

/// What one call of a function does, with names that are free.
pub(super) fn one_call(taken: &mut Names, call: &NodeProto, function: &FunctionProto) -> Vec<NodeProto> {
    let mut inliner =
        Inliner { functions: HashMap::new(), taken: std::mem::take(taken), written: Written::default(), left: 0 };
    let mut call = Call::new(&mut inliner, call, function);
    let mut nodes: Vec<NodeProto> = function.node.iter().map(|n| call.copy(n)).collect();
    nodes.append(&mut call.aliases);
    *taken = inliner.taken;
    nodes
}

struct Inliner<'f> {
    /// With what a call of each makes, where it is to be written out.
    functions: HashMap<Key<'f>, (&'f FunctionProto, Option<Cost>)>,
    taken: Names,
    written: Written,
    /// Bytes that calls may still make.
    left: u64,
}

impl Inliner<'_> {
    fn graph(&mut self, g: &mut GraphProto, level: usize, within: bool) {
        for node in std::mem::take(&mut g.node) {
            self.node(node, level, within, &mut g.node);
        }
    }

    /// What a call makes includes the calls `within` it.
    fn node(&mut self, mut node: NodeProto, level: usize, within: bool, out: &mut Vec<NodeProto>) {
        walk::subgraphs_mut(&mut node).for_each(|b| self.graph(b, level + 1, within));
        let key = (plain(node.domain()), node.op_type(), node.overload());
        let Some(&(f, cost)) = self.functions.get(&key) else { return out.push(node) };
        let fits = |c: &Cost| within || c.bytes <= self.left && level + c.nesting <= MAX_NESTING;
        let Some(cost) = cost.filter(fits) else {
            self.written.too_large += 1;
            return out.push(node);
        };
        if !within {
            self.left -= cost.bytes;
        }
        self.written.calls += 1;
        let mut call = Call::new(self, &node, f);
        for n in &f.node {
            let n = call.copy(n);
            call.inliner.node(n, level, true, out);
        }
        out.append(&mut call.aliases);
    }
}

/// One call: names and attributes of the function as they are here.
struct Call<'c, 'f> {
    inliner: &'c mut Inliner<'f>,
    node: &'c NodeProto,
    function: &'c FunctionProto,
    label: String,
    names: HashMap<String, String>,
    /// Outputs that are inputs, under both names.
    aliases: Vec<NodeProto>,
}

impl<'c, 'f> Call<'c, 'f> {
    fn new(inliner: &'c mut Inliner<'f>, node: &'c NodeProto, function: &'c FunctionProto) -> Self {
        let first = node.output.first().map_or("", String::as_str);
        let label = if node.name().is_empty() { first } else { node.name() };
        let label = label.chars().take(MAX_LABEL).collect();
        let given = |all: &[String], k: usize| all.get(k).cloned().unwrap_or_default();
        let mut names: HashMap<String, String> =
            function.input.iter().enumerate().map(|(k, n)| (n.clone(), given(&node.input, k))).collect();
        let mut aliases = Vec::new();
        for (k, formal) in function.output.iter().enumerate() {
            let wanted = given(&node.output, k);
            match names.get(formal).cloned() {
                _ if wanted.is_empty() => {}
                None => drop(names.insert(formal.clone(), wanted)),
                Some(input) => {
                    let name = inliner.taken.fresh(&format!("{label}/Identity"));
                    aliases.push(NewNode::identity(input, wanted).name(name).build());
                }
            }
        }
        Call { inliner, node, function, label, names, aliases }
    }

    fn rename(&mut self, name: &mut String) {
        if name.is_empty() {
            return;
        }
        if let Some(known) = self.names.get(name) {
            name.clone_from(known);
            return;
        }
        let new = self.inliner.taken.fresh(&format!("{}/{name}", self.label));
        self.names.insert(std::mem::replace(name, new.clone()), new);
    }

    fn rename_some(&mut self, name: &mut Option<String>) {
        if let Some(n) = name {
            self.rename(n);
        }
    }

    /// A node of the function as it is in this call.
    fn copy(&mut self, n: &NodeProto) -> NodeProto {
        let mut n = n.clone();
        let own = if n.name().is_empty() { n.op_type() } else { n.name() }.to_owned();
        n.name = Some(self.inliner.taken.fresh(&format!("{}/{own}", self.label)));
        n.input.iter_mut().chain(&mut n.output).for_each(|name| self.rename(name));
        let attributes = std::mem::take(&mut n.attribute);
        n.attribute = attributes.into_iter().filter_map(|a| self.attribute(a)).collect();
        for subgraph in walk::subgraphs_mut(&mut n) {
            let all = subgraph.input.iter_mut().chain(&mut subgraph.output).chain(&mut subgraph.value_info);
            all.for_each(|v| self.rename_some(&mut v.name));
            let sparse = subgraph.sparse_initializer.iter_mut().filter_map(|s| s.values.as_mut());
            sparse.for_each(|t| self.rename_some(&mut t.name));
            subgraph.initializer.iter_mut().for_each(|t| self.rename_some(&mut t.name));
            subgraph.node = subgraph.node.iter().map(|n| self.copy(n)).collect();
        }
        n
    }

    /// An attribute that refers to one of the call becomes that one, or the function's default; without either it
    /// is left out.
    fn attribute(&self, a: AttributeProto) -> Option<AttributeProto> {
        if a.ref_attr_name().is_empty() {
            return Some(a);
        }
        let wanted = |b: &&AttributeProto| b.name() == a.ref_attr_name();
        let found =
            self.node.attribute.iter().find(wanted).or_else(|| self.function.attribute_proto.iter().find(wanted));
        Some(AttributeProto { name: a.name.clone(), ..found?.clone() })
    }
}
