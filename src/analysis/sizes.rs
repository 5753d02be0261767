//! Numbers for the sizes that a file leaves open: what the user gives, else guesses under which the graph holds
//! together.

use crate::tensor::DType;
use std::collections::HashMap;

use super::error::{Error, Result};
use super::facts::Facts;
use super::graph::{Graph, PerTensor, TensorId};
use super::ladder;
use crate::algebra::Bindings;
use crate::hint::Hint;
use crate::onnx;

/// A size as the user gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// All sizes of an input; an empty name stands for the only input.
    Shape(String, Vec<i64>),
    /// The size that the model calls so.
    Symbol(String, i64),
}

impl From<(String, Vec<i64>)> for Given {
    fn from((name, dims): (String, Vec<i64>)) -> Self {
        Given::Shape(name, dims)
    }
}

/// Sizes as the user gave them.
pub type Shapes = Vec<Given>;

/// A size of an input that the file leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What the model calls it, `input:axis` where it has no name.
    pub name: String,
    /// The first input that has it.
    pub input: String,
    /// Its axis there.
    pub axis: usize,
    /// What stands for it where nobody says.
    pub usual: i64,
}

/// What is wrong with some sizes, worst first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flaws {
    /// Axes below 0.
    pub negative: usize,
    /// Axes of size 0 that the file does not fix.
    pub empty: usize,
    /// Nodes whose inputs do not fit together.
    pub unfit: usize,
}

impl Flaws {
    /// Whether nothing is wrong.
    pub fn none(&self) -> bool {
        *self == Flaws::default()
    }
}

/// The open sizes of the inputs, each once.
pub fn open(graph: &Graph, facts: &Facts) -> Vec<Open> {
    let mut out: Vec<Open> = Vec::new();
    for v in graph.free_inputs() {
        let Some(shape) = graph.id(v.name()).and_then(|id| facts.tensors[id].shape.as_ref()) else { continue };
        let last = shape.last().and_then(|d| d.known());
        for (axis, d) in shape.iter().enumerate().filter(|(_, d)| d.known().is_none()) {
            let name = facts.symbols.show(d);
            if !out.iter().any(|o| o.name == name) {
                let usual = ladder::usual(axis, shape.len(), last);
                out.push(Open { name, input: v.name().to_owned(), axis, usual });
            }
        }
    }
    out
}

/// What is wrong with sizes, as far as shapes tell. Subgraphs of control flow are left out: they may not run.
pub fn flaws(graph: &Graph, facts: &Facts, bindings: &Bindings) -> Flaws {
    let mut out = Flaws::default();
    let sizes: PerTensor<Option<Vec<Option<i64>>>> = facts
        .tensors
        .iter()
        .map(|f| f.shape.as_ref().map(|s| s.iter().map(|d| facts.symbols.eval(d, bindings)).collect()))
        .collect();
    for i in graph.node_ids() {
        if graph.scope_of(i) != 0 || graph.is_entry(i) {
            continue;
        }
        for id in graph.outputs[i].iter().flatten() {
            let dims = facts.tensors[*id].shape.iter().flatten();
            for (_, n) in dims.zip(sizes[*id].iter().flatten()).filter(|(d, _)| d.known().is_none()) {
                out.negative += usize::from(n.is_some_and(|n| n < 0));
                out.empty += usize::from(*n == Some(0));
            }
        }
        let of = |ids: &[Option<TensorId>]| -> Vec<Option<&[Option<i64>]>> {
            ids.iter().map(|id| id.and_then(|id| sizes[id].as_deref())).collect()
        };
        if let Some(op) = graph.operator(i).filter(|_| facts.inferred.get(i) == Some(&true)) {
            out.unfit +=
                usize::from(!op.fits(&graph.view(i, &facts.tensors), &of(&graph.inputs[i]), &of(&graph.outputs[i])));
        }
    }
    out
}

/// Sizes that the axes of stored weights have, and those that stored shapes name: what an open axis meets there must
/// often be one of them.
pub fn stored(graph: &Graph) -> Vec<i64> {
    let mut out = Vec::new();
    let mut add = |n: i64| {
        if n > 1 && !out.contains(&n) && out.len() < MOST_STORED {
            out.push(n);
        }
    };
    let all = || graph.constants.iter().flatten().map(|c| graph.contents(c));
    let shapes = all().filter(|t| onnx::dtype_of(t) == DType::Int64 && onnx::len(t).is_ok_and(|n| n <= LONGEST_SHAPE));
    shapes.filter_map(|t| onnx::to_i64(t).ok()).flatten().filter(|n| *n <= LARGEST_SIZE).for_each(&mut add);
    all().flat_map(|t| &t.dims).for_each(|d| add(*d));
    out
}

/// Longer lists of integers are no shapes, and larger numbers no sizes.
const LONGEST_SHAPE: usize = 8;
const LARGEST_SIZE: i64 = 1 << 20;

/// More tell nothing.
const MOST_STORED: usize = 48;

/// Numbers for all named sizes: what the user gives, else batch 1 and assumed sizes, which are reported. Guesses are
/// changed until every axis is positive and the inputs of every node fit together, where some on the ladder do that.
///
/// # Errors
/// When `shapes` names what is not there or contradicts the file, or no guess leaves every axis positive.
pub fn bind(graph: &Graph, facts: &Facts, shapes: &Shapes) -> Result<(Bindings, Vec<String>)> {
    let given = given(graph, facts, shapes)?;
    let mut bindings = given.clone();
    let all = open(graph, facts);
    let mut warnings = Vec::new();
    let guessed: Vec<&Open> = all.iter().filter(|o| !bindings.contains_key(&o.name)).collect();
    if guessed.is_empty() {
        return Ok((bindings, warnings));
    }
    let judge = |b: &Bindings| flaws(graph, facts, b);
    let free = |o: &&&Open| !ladder::is_derived(&o.name, &all);
    let free: Vec<&Open> = guessed.iter().filter(free).copied().collect();
    bindings.extend(free.iter().map(|o| (o.name.clone(), o.usual)));
    let found = ladder::climb(bindings, &free, &all, &given, (&stored(graph), budget(facts)), &judge);
    bindings = found.bindings;
    if found.flaws.negative > 0 || found.flaws.empty > 0 {
        let tried: Vec<String> = guessed.iter().map(|o| format!("{} = {}", o.name, bindings[&o.name])).collect();
        let what = if found.flaws.negative > 0 { "negative" } else { "empty" };
        let first = guessed.iter().find(|o| o.axis > 0).unwrap_or(&guessed[0]);
        return Err(Error::Shapes(format!(
            "the file leaves sizes open, and every guess makes an axis {what} (as {}); give them, as in {} {}={}",
            tried.join(", "),
            Hint::Shapes,
            first.name,
            first.usual
        )));
    }
    for v in graph.free_inputs() {
        let told = |o: &&&Open| o.input == v.name() && (o.axis > 0 || bindings[&o.name] != 1);
        let list: Vec<String> =
            guessed.iter().filter(told).map(|o| format!("{} = {}", o.name, bindings[&o.name])).collect();
        if !list.is_empty() {
            let list = list.join(", ");
            warnings.push(format!(
                "input '{}' leaves sizes open; guessed {list} ({} sets them)",
                v.name(),
                Hint::Shapes
            ));
        }
    }
    Ok((bindings, warnings))
}

/// Sets of sizes that are looked at, at most: a look is at every tensor.
fn budget(facts: &Facts) -> usize {
    (2_000_000 / facts.tensors.len().max(1)).clamp(60, 2000)
}

/// What the user gives.
fn given(graph: &Graph, facts: &Facts, shapes: &Shapes) -> Result<Bindings> {
    let inputs = graph.free_inputs();
    let names: Vec<String> = open(graph, facts).into_iter().map(|o| o.name).collect();
    let mut bindings = Bindings::new();
    let mut bind = |name: &str, n: i64| match bindings.insert(name.to_owned(), n) {
        Some(old) if old != n => Err(Error::Shapes(format!("'{name}' cannot be {old} and {n} at once"))),
        _ => Ok(()),
    };
    let mut of_inputs: HashMap<&str, &Vec<i64>> = HashMap::new();
    for one in shapes {
        match one {
            Given::Symbol(name, n) => {
                if !names.contains(name) {
                    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                    return Err(Error::Shapes(format!("no open size '{name}'; the model's open sizes are {known}")));
                }
                bind(name, *n)?;
            }
            Given::Shape(name, dims) => {
                let name = match (name.as_str(), inputs.as_slice()) {
                    ("", [only]) => only.name(),
                    ("", _) => {
                        return Err(Error::Shapes(
                            "the model has several inputs: name each, as in input:1x3x224x224".into(),
                        ));
                    }
                    (n, _) if inputs.iter().any(|v| v.name() == n) => n,
                    (n, all) => {
                        let names: Vec<&str> = all.iter().map(|v| v.name()).collect();
                        let list = names.join(", ");
                        return Err(Error::Shapes(format!("no input '{n}'; the model's inputs are {list}")));
                    }
                };
                of_inputs.insert(name, dims);
            }
        }
    }
    for v in &inputs {
        let Some(shape) = graph.id(v.name()).and_then(|id| facts.tensors[id].shape.as_ref()) else { continue };
        let Some(dims) = of_inputs.get(v.name()) else { continue };
        if dims.len() != shape.len() {
            return Err(Error::Shapes(format!("'{}' has {} axes, not {}", v.name(), shape.len(), dims.len())));
        }
        for (k, (d, n)) in shape.iter().zip(dims.iter()).enumerate() {
            match d.known() {
                Some(m) if m != *n => {
                    return Err(Error::Shapes(format!("axis {k} of '{}' is {m} in the file, not {n}", v.name())));
                }
                Some(_) => {}
                None => bind(&facts.symbols.show(d), *n)?,
            }
        }
    }
    Ok(bindings)
}
