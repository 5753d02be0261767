//! Functions of the model, written out where they are called: every node left is an operator.

use std::collections::{HashMap, HashSet};

use super::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto};
use super::{attr::plain, walk};

/// Calls within calls deeper than this stay calls, as do those that would make more nodes than this.
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 1 << 20;

/// Replaces calls by what their functions do; gives the number of calls. A function whose operator sets are not the
/// model's stays a call.
pub(super) fn inline(model: &mut ModelProto) -> usize {
    if model.functions.is_empty() {
        return 0;
    }
    let functions = std::mem::take(&mut model.functions);
    let mut inliner = Inliner { functions: HashMap::new(), taken: HashSet::new(), calls: 0, nodes: 0 };
    for f in &functions {
        if let Some(imports) = missing_imports(model, f) {
            model.opset_import.extend(imports);
            inliner.functions.insert((plain(f.domain()), f.name(), f.overload()), f);
        }
    }
    if let Some(graph) = &mut model.graph {
        names(graph, &mut inliner.taken);
        inliner.graph(graph, 0);
    }
    let calls = inliner.calls;
    let mut called = HashSet::new();
    model.graph.iter().for_each(|g| calls_in(&g.node, &mut called));
    // What a function that stays calls stays too.
    let mut rest = functions;
    loop {
        let (stay, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|f| called.contains(&(plain(f.domain()).to_owned(), f.name().to_owned())));
        if stay.is_empty() {
            return calls;
        }
        stay.iter().for_each(|f| calls_in(&f.node, &mut called));
        model.functions.extend(stay);
        rest = others;
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
        walk::bodies(n).for_each(|b| calls_in(&b.node, out));
    }
}

/// What one call of a function does, with names that are free.
pub(super) fn one_call(taken: &mut HashSet<String>, call: &NodeProto, function: &FunctionProto) -> Vec<NodeProto> {
    let mut inliner = Inliner { functions: HashMap::new(), taken: std::mem::take(taken), calls: 0, nodes: 0 };
    let mut call = Call::new(&mut inliner, call, function);
    let mut nodes: Vec<NodeProto> = function.node.iter().map(|n| call.copy(n)).collect();
    nodes.append(&mut call.aliases);
    *taken = inliner.taken;
    nodes
}

/// All names of a graph and its bodies.
pub(super) fn names(g: &GraphProto, taken: &mut HashSet<String>) {
    taken.extend(g.input.iter().chain(&g.output).map(|v| v.name().to_owned()));
    taken.extend(g.initializer.iter().map(|t| t.name().to_owned()));
    for n in &g.node {
        taken.extend(n.input.iter().chain(&n.output).cloned());
        taken.insert(n.name().to_owned());
        walk::bodies(n).for_each(|b| names(b, taken));
    }
}

/// A name that is free, this one if it can be.
pub(super) fn fresh(taken: &mut HashSet<String>, base: String) -> String {
    let mut name = base.clone();
    let mut n = 1;
    while !taken.insert(name.clone()) {
        n += 1;
        name = format!("{base}_{n}");
    }
    name
}

struct Inliner<'f> {
    /// By domain, name and overload.
    functions: HashMap<(&'f str, &'f str, &'f str), &'f FunctionProto>,
    taken: HashSet<String>,
    calls: usize,
    nodes: usize,
}

impl Inliner<'_> {
    fn graph(&mut self, g: &mut GraphProto, depth: usize) {
        for node in std::mem::take(&mut g.node) {
            self.node(node, depth, &mut g.node);
        }
    }

    fn node(&mut self, mut node: NodeProto, depth: usize, out: &mut Vec<NodeProto>) {
        walk::bodies_mut(&mut node).for_each(|b| self.graph(b, depth));
        let key = (plain(node.domain()), node.op_type(), node.overload());
        let called = self.functions.get(&key).copied().filter(|_| depth < MAX_DEPTH && self.nodes < MAX_NODES);
        let Some(f) = called else { return out.push(node) };
        self.calls += 1;
        self.nodes += f.node.len();
        let mut call = Call::new(self, &node, f);
        for n in &f.node {
            let n = call.copy(n);
            call.inliner.node(n, depth + 1, out);
        }
        out.append(&mut call.aliases);
    }

    fn fresh(&mut self, base: String) -> String {
        fresh(&mut self.taken, base)
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
        let label = if node.name().is_empty() { first } else { node.name() }.to_owned();
        let given = |all: &[String], k: usize| all.get(k).cloned().unwrap_or_default();
        let mut names: HashMap<String, String> =
            function.input.iter().enumerate().map(|(k, n)| (n.clone(), given(&node.input, k))).collect();
        let mut aliases = Vec::new();
        for (k, formal) in function.output.iter().enumerate() {
            let wanted = given(&node.output, k);
            match names.get(formal).cloned() {
                _ if wanted.is_empty() => {}
                None => drop(names.insert(formal.clone(), wanted)),
                Some(input) => aliases.push(NodeProto {
                    op_type: Some("Identity".to_owned()),
                    name: Some(inliner.fresh(format!("{label}/Identity"))),
                    input: vec![input],
                    output: vec![wanted],
                    ..NodeProto::default()
                }),
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
        let new = self.inliner.fresh(format!("{}/{name}", self.label));
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
        n.name = Some(self.inliner.fresh(format!("{}/{own}", self.label)));
        n.input.iter_mut().chain(&mut n.output).for_each(|name| self.rename(name));
        let attributes = std::mem::take(&mut n.attribute);
        n.attribute = attributes.into_iter().filter_map(|a| self.attribute(a)).collect();
        for body in walk::bodies_mut(&mut n) {
            let all = body.input.iter_mut().chain(&mut body.output).chain(&mut body.value_info);
            all.for_each(|v| self.rename_some(&mut v.name));
            let sparse = body.sparse_initializer.iter_mut().filter_map(|s| s.values.as_mut());
            sparse.for_each(|t| self.rename_some(&mut t.name));
            body.initializer.iter_mut().for_each(|t| self.rename_some(&mut t.name));
            body.node = body.node.iter().map(|n| self.copy(n)).collect();
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
