//! A network that runs in pieces over all samples: what it has computed stays, so that no node runs twice.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use super::samples::Samples;
use super::store::{Room, StoredTensor, Values};
use crate::job::Job;
use crate::onnx::proto::{GraphProto, ModelProto, NodeProto};
use crate::onnx::{self, DType, ExternalLayout, Model};
use crate::runtime::{self, Runtime, SessionOptions, Tensor};
use crate::statistics::{Error, Result};

/// Integers and truth values of at most so many elements that are the same in every batch become constants of a
/// piece: they are sizes and positions, which runtimes want to know beforehand.
const SMALL: usize = 64;

/// Above this many bytes of weights a piece needs external data, as the whole model does.
const LARGE: u64 = 1 << 30;

/// How networks run.
#[derive(Clone, Copy)]
pub struct Runner<'a> {
    /// What runs them.
    pub runtime: &'a dyn Runtime,
    /// How it runs.
    pub session: &'a SessionOptions,
    /// Is told what is done, and asked between pieces whether to go on.
    pub job: Job<'a>,
}

/// A network, the nodes of it that have run, and the tensors that others still need.
#[derive(Clone)]
pub struct Network<'a> {
    runner: Runner<'a>,
    /// The model without its graph.
    shell: ModelProto,
    external: Option<ExternalLayout>,
    /// The graph; weights may change as long as no node that reads them has run.
    pub graph: GraphProto,
    makers: HashMap<String, usize>,
    /// Nodes that read a tensor, subgraphs included.
    readers: HashMap<String, Vec<usize>>,
    /// Nodes that depend on no input: they run again in every piece that reads them, so that they stay constants.
    constant: Vec<bool>,
    done: Vec<bool>,
    outputs: HashSet<String>,
    live: BTreeMap<String, Values>,
    batches: Range<usize>,
    room: Room,
}

/// What a node reads, outer tensors of its subgraphs included.
fn reads(node: &NodeProto) -> impl Iterator<Item = &str> {
    node.input.iter().map(String::as_str).filter(|n| !n.is_empty()).chain(onnx::captures(node))
}

impl<'a> Network<'a> {
    /// A network of which nothing has run, on some batches of the samples.
    pub fn new(model: &Model, samples: &Samples, batches: Range<usize>, runner: Runner<'a>) -> Network<'a> {
        let mut shell = model.proto.clone();
        let graph = shell.graph.take().unwrap_or_default();
        let mut makers = HashMap::new();
        let mut readers: HashMap<String, Vec<usize>> = HashMap::new();
        let given: HashSet<&str> = samples.inputs.iter().map(|(name, _)| name.as_str()).collect();
        let mut open: HashSet<&str> = given.clone();
        let mut constant = Vec::with_capacity(graph.node.len());
        for (i, node) in graph.node.iter().enumerate() {
            let read: BTreeSet<&str> = reads(node).collect();
            let varies = read.iter().any(|n| open.contains(n));
            for name in read {
                readers.entry(name.to_owned()).or_default().push(i);
            }
            for name in node.output.iter().filter(|n| !n.is_empty()) {
                makers.insert(name.clone(), i);
                if varies {
                    open.insert(name);
                }
            }
            constant.push(!varies);
        }
        let mut network = Network {
            runner,
            shell,
            external: model.external.clone(),
            makers,
            readers,
            done: vec![false; constant.len()],
            constant,
            outputs: graph.output.iter().map(|v| v.name().to_owned()).collect(),
            live: samples.inputs.iter().cloned().collect(),
            batches,
            room: samples.room.clone(),
            graph,
        };
        network.free();
        network
    }

    /// Batches that it runs on.
    pub fn batches(&self) -> Range<usize> {
        self.batches.clone()
    }

    /// The same network at the same point with other weights in its graph, whose nodes must be the same.
    pub fn branch(&self, graph: GraphProto) -> Network<'a> {
        Network { graph, ..self.clone() }
    }

    /// The node of its graph that makes a tensor.
    pub fn node_of(&self, name: &str) -> Option<usize> {
        self.makers.get(name).copied()
    }

    /// Whether a tensor has been computed and is still there.
    pub fn has(&self, name: &str) -> bool {
        self.live.contains_key(name)
    }

    /// The value of a live tensor in a batch.
    ///
    /// # Errors
    /// When it is not live or cannot be read back.
    pub fn get(&self, name: &str, batch: usize) -> Result<std::sync::Arc<StoredTensor>> {
        Ok(self.values(name)?.get(batch)?)
    }

    /// The values of a live tensor in all batches.
    ///
    /// # Errors
    /// When it is not live.
    pub fn values(&self, name: &str) -> Result<&Values> {
        let missing = || Error::Activation {
            tensor: name.to_owned(),
            sample: String::new(),
            why: "was not computed or is gone".to_owned(),
        };
        self.live.get(name).ok_or_else(missing)
    }

    /// Runs what `wanted` needs and has not run. Afterwards these tensors are live, and so is whatever nodes that have
    /// not run need of what has; what no such node reads is forgotten, unless it is wanted or an output of the graph.
    ///
    /// # Errors
    /// When the runtime fails, a tensor is gone already, or the caller asks to stop.
    pub fn advance(&mut self, wanted: &[&str]) -> Result<()> {
        self.runner.job.check()?;
        let missing: Vec<&str> = wanted.iter().copied().filter(|n| !self.live.contains_key(*n)).collect();
        if !missing.is_empty() {
            self.run(&missing)?;
        }
        self.free_except(wanted);
        Ok(())
    }

    /// Names of the graph's outputs.
    pub fn output_names(&self) -> Vec<String> {
        self.graph.output.iter().map(|v| v.name().to_owned()).collect()
    }

    fn free(&mut self) {
        self.free_except(&[]);
    }

    /// Forgets what nothing will read.
    fn free_except(&mut self, wanted: &[&str]) {
        let (readers, done, outputs) = (&self.readers, &self.done, &self.outputs);
        self.live.retain(|name, _| {
            let unread = || readers.get(name).is_none_or(|r| r.iter().all(|i| done[*i]));
            wanted.contains(&name.as_str()) || outputs.contains(name) || !unread()
        });
    }

    /// Whether what has not run, or the caller of the network, needs a tensor.
    fn is_needed(&self, name: &str, running: &[bool]) -> bool {
        let later = |i: &usize| !self.done[*i] && !running[*i] && !self.constant[*i];
        self.outputs.contains(name) || self.readers.get(name).is_some_and(|r| r.iter().any(later))
    }

    fn run(&mut self, wanted: &[&str]) -> Result<()> {
        let mut running = vec![false; self.graph.node.len()];
        let mut inputs: BTreeSet<&str> = BTreeSet::new();
        let mut weights: HashSet<&str> = HashSet::new();
        let mut open: Vec<&str> = wanted.to_vec();
        while let Some(name) = open.pop() {
            if self.live.contains_key(name) {
                inputs.insert(name);
                continue;
            }
            match self.makers.get(name) {
                Some(&i) if !self.done[i] || self.constant[i] => {
                    if !std::mem::replace(&mut running[i], true) {
                        open.extend(reads(&self.graph.node[i]));
                    }
                }
                Some(_) => {
                    let why = "was needed again after it had been forgotten".to_owned();
                    return Err(Error::Activation { tensor: name.to_owned(), sample: String::new(), why });
                }
                None => {
                    weights.insert(name);
                }
            }
        }
        let mut outputs: Vec<&str> = Vec::new();
        for (i, node) in self.graph.node.iter().enumerate().filter(|(i, _)| running[*i]) {
            for name in node.output.iter().filter(|n| !n.is_empty()) {
                let asked = wanted.contains(&name.as_str());
                if asked || !self.constant[i] && self.is_needed(name, &running) {
                    outputs.push(name);
                }
            }
        }
        if outputs.is_empty() {
            return Ok(());
        }
        let nodes = self.graph.node.iter().zip(&running).filter(|(_, r)| **r).map(|(n, _)| n.clone()).collect();
        let piece = GraphProto {
            name: Some("piece".to_owned()),
            node: nodes,
            initializer: self.graph.initializer.iter().filter(|t| weights.contains(t.name())).cloned().collect(),
            sparse_initializer: (self.graph.sparse_initializer.iter())
                .filter(|s| s.values.as_ref().is_some_and(|v| weights.contains(v.name())))
                .cloned()
                .collect(),
            output: outputs.iter().map(|n| onnx::untyped(n)).collect(),
            ..GraphProto::default()
        };
        let last = self.batches.end;
        let mut made: Vec<(String, Values)> =
            outputs.iter().map(|n| ((*n).to_owned(), Values::new(last, &self.room))).collect();
        let inputs: Vec<String> = inputs.into_iter().map(str::to_owned).collect();
        for lot in self.lots(&inputs)? {
            self.run_lot(&piece, &inputs, &lot, &mut made)?;
        }
        for (name, values) in made {
            self.live.insert(name, values);
        }
        for (i, ran) in running.into_iter().enumerate() {
            self.done[i] |= ran && !self.constant[i];
        }
        Ok(())
    }

    /// Runs a piece on batches whose tensors have the same shapes.
    fn run_lot(&self, piece: &GraphProto, inputs: &[String], lot: &Lot, made: &mut [(String, Values)]) -> Result<()> {
        let mut graph = piece.clone();
        let mut given: Vec<&String> = Vec::new();
        for (name, fixed) in inputs.iter().zip(&lot.fixed) {
            let Some((dtype, shape)) = self.live.get(name).and_then(|v| v.form(lot.batches[0])) else { continue };
            match fixed {
                Some(value) => graph.initializer.push(onnx::from_tensor(name, value)),
                None => {
                    let dims: Vec<Option<i64>> = shape.iter().map(|d| i64::try_from(*d).ok()).collect();
                    graph.input.push(onnx::value_info(name, dtype, &dims));
                    given.push(name);
                }
            }
        }
        let bytes: u64 = graph.initializer.iter().map(|t| t.raw_data.as_ref().map_or(0, |r| r.len() as u64)).sum();
        let model = Model {
            proto: ModelProto { graph: Some(graph), ..self.shell.clone() },
            external: self.external.clone().filter(|_| bytes > LARGE),
            ..Model::default()
        };
        let mut session = runtime::open_model(self.runner.runtime, model, self.runner.session)?;
        for &k in &lot.batches {
            let held = given.iter().map(|n| self.get(n, k)).collect::<Result<Vec<_>>>()?;
            let named: Vec<(&str, &Tensor)> = given.iter().zip(&held).map(|(n, t)| (n.as_str(), &***t)).collect();
            let mut seen: Result<()> = Ok(());
            session.show_borrowed(&named, &mut |outputs| {
                seen = outputs.into_iter().try_for_each(|(name, view)| {
                    if let Some((_, values)) = made.iter_mut().find(|(n, _)| n == name) {
                        values.put(k, view.into_tensor()?)?;
                    }
                    Ok(())
                });
            })?;
            seen?;
        }
        Ok(())
    }

    /// The batches by the shapes that these tensors have in them.
    fn lots(&self, inputs: &[String]) -> Result<Vec<Lot>> {
        let mut by_shape: BTreeMap<Vec<Vec<usize>>, Vec<usize>> = BTreeMap::new();
        for k in self.batches() {
            let form = |n: &String| self.live.get(n).and_then(|v| v.form(k)).map(|f| f.1.to_vec()).unwrap_or_default();
            by_shape.entry(inputs.iter().map(form).collect()).or_default().push(k);
        }
        by_shape.into_values().map(|batches| self.lot(inputs, batches)).collect()
    }

    fn lot(&self, inputs: &[String], batches: Vec<usize>) -> Result<Lot> {
        let mut fixed = Vec::with_capacity(inputs.len());
        for name in inputs {
            let first = self.get(name, batches[0])?;
            let small = first.len() <= SMALL && is_whole(first.dtype()) && first.shape().len() <= 1;
            let mut same = small;
            for &k in batches.iter().skip(1).take_while(|_| small) {
                same &= **self.get(name, k)? == **first;
            }
            fixed.push(same.then(|| Tensor::clone(&first)));
        }
        Ok(Lot { batches, fixed })
    }
}

/// Batches that a piece runs on as one session.
struct Lot {
    batches: Vec<usize>,
    /// For each input, its value where that is the same in all of them and small.
    fixed: Vec<Option<Tensor>>,
}

fn is_whole(dtype: DType) -> bool {
    matches!(dtype, DType::Int64 | DType::Int32 | DType::Bool)
}
