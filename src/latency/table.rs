//! What each part of a model costs at which widths.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::costs::{Costs, machine};
use super::error::{Error, Result};
use super::grid::Grid;
use super::parts::{Parts, computes};
use super::signature::signature;
use super::subgraph::subgraph;
use crate::algebra::Kept;
use crate::analysis::Analysis;
use crate::job::{Job, Unit};
use crate::onnx::edit::{Editor, Emit, NewNode, stand_alone};
use crate::onnx::proto::ModelProto;
use crate::onnx::{self, DType, Model};
use crate::planning::{Latency, Limit};
use crate::rewriting;
use crate::runtime::{self, Bound, Runtime, SessionOptions, open_model};

/// Where and how times are taken.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The runtime.
    pub runtime: &'a dyn Runtime,
    /// Device and threads.
    pub session: &'a SessionOptions,
    /// Folder for times between runs; `None` keeps none.
    pub folder: Option<&'a PathBuf>,
    /// Seed of random inputs.
    pub seed: u64,
    /// Is told how far it is.
    pub job: Job<'a>,
}

/// Runs of one subgraph at most and at least, and the time after which no more are made. The fastest counts, so few are
/// enough.
const RUNS: usize = 30;
const LEAST_RUNS: usize = 4;
const BUDGET: Duration = Duration::from_millis(25);

/// Predicts the time of a run as a sum over parts.
#[derive(Clone, Debug)]
pub struct Table {
    grids: Vec<Arc<Grid>>,
    /// What a part takes within the model, relative to alone.
    scale: f64,
    /// Milliseconds of what does not depend on widths.
    rest: f64,
    /// Milliseconds of parts that do not depend on widths, each alone, and of a run by itself.
    fixed: f64,
    /// Whether all that computes is in some part that was timed.
    complete: bool,
    /// Subgraphs that were timed.
    pub timed: usize,
    /// Subgraphs whose time was on disk.
    pub known: usize,
    /// Parts that the runtime could not run alone.
    pub left_out: usize,
}

impl Latency for Table {
    fn milliseconds(&self, counts: &[usize]) -> f64 {
        self.rest + self.scale * self.sum(counts)
    }
}

impl Table {
    /// Times the parts of a model that depend on groups, or reads their times from disk. The job is told how many of
    /// how many parts are done; times taken before it is stopped are kept.
    ///
    /// # Errors
    /// When nothing can be timed, the model cannot be cut, or the job is to stop.
    pub fn measure(a: &Analysis, limits: &[Limit], setting: &Setting, warn: &mut dyn FnMut(String)) -> Result<Table> {
        let Setting { runtime, session, folder, .. } = *setting;
        let machine = machine(runtime.name(), &runtime.version(), &session.device.to_string(), session.threads);
        let mut costs = Costs::open(folder.map(PathBuf::as_path), machine);
        let mut table = Table {
            grids: Vec::new(),
            scale: 1.0,
            rest: 0.0,
            fixed: 0.0,
            complete: true,
            timed: 0,
            known: 0,
            left_out: 0,
        };
        let done = table.fill(a, limits, setting, &mut costs);
        if let Err(e) = costs.save() {
            warn(format!("times of operators are not kept for the next run: {e}"));
        }
        done.map(|()| table)
    }

    fn fill(&mut self, a: &Analysis, limits: &[Limit], setting: &Setting, costs: &mut Costs) -> Result<()> {
        let (parts, full) = (Parts::of(a, limits), a.full_counts());
        let idle = self.time(idle(), setting, costs)?;
        self.fixed = idle;
        let computing = a.graph.node_ids().filter(|i| computes(a, *i));
        self.complete = computing.into_iter().all(|i| a.graph.subgraphs[i].is_empty());
        let wanted: Vec<usize> = (0..parts.parts.len()).filter(|i| !parts.parts[*i].axes.is_empty()).collect();
        // Parts that are alike at full width, and whose axes shrink alike, share their times.
        let mut alike: HashMap<(String, Vec<Vec<usize>>), Vec<f64>> = HashMap::new();
        let mut first_failure = None;
        for (done, part) in wanted.iter().copied().enumerate() {
            setting.job.progress(done, Some(wanted.len()), Unit::Parts)?;
            let mut grid = Grid::new(&parts.parts[part].axes, &full, limits);
            let widths: Vec<Vec<(usize, usize)>> = (0..grid.len()).map(|i| grid.widths(i)).collect();
            let cut = |w: &[(usize, usize)]| -> rewriting::Result<Option<ModelProto>> {
                subgraph(a, &parts, part, &narrow(a, w))
            };
            let Some(whole) = cut(widths.last().map_or(&[][..], Vec::as_slice))? else {
                first_failure.get_or_insert_with(|| "its sizes are not known".to_owned());
                self.left_out += 1;
                continue;
            };
            let sizes = widths.iter().map(|w| w.iter().map(|(_, n)| *n).collect()).collect();
            let key = (signature(&whole), sizes);
            if let Some(ms) = alike.get(&key) {
                grid.fill(ms.clone());
                self.grids.push(Arc::new(grid));
                continue;
            }
            let mut time = |w: &Vec<_>| match cut(w)? {
                Some(proto) => self.time(proto, setting, costs),
                // Whether sizes are known does not depend on widths.
                None => Ok(idle),
            };
            let times: Result<Vec<f64>> = widths.iter().map(&mut time).collect();
            match times {
                Ok(mut ms) => {
                    ms.iter_mut().for_each(|ms| *ms = (*ms - idle).max(0.0));
                    alike.insert(key, ms.clone());
                    grid.fill(ms);
                    self.grids.push(Arc::new(grid));
                }
                Err(Error::Runtime(e)) => {
                    first_failure.get_or_insert_with(|| e.to_string());
                    self.left_out += 1;
                }
                Err(e) => return Err(e),
            }
        }
        setting.job.progress(wanted.len(), Some(wanted.len()), Unit::Parts)?;
        let other = (0..parts.parts.len()).filter(|i| parts.parts[*i].axes.is_empty());
        for part in other {
            let timed = match subgraph(a, &parts, part, &Kept::new())? {
                Some(proto) => self.time(proto, setting, costs).ok(),
                None => None,
            };
            match timed {
                Some(ms) => self.fixed += (ms - idle).max(0.0),
                None => self.complete = false,
            }
        }
        self.complete &= self.left_out == 0;
        if self.grids.is_empty() {
            let why = first_failure.unwrap_or_else(|| "no contraction reads or writes them".to_owned());
            return Err(Error::NothingTimed { runtime: setting.runtime.name(), why });
        }
        Ok(())
    }

    fn time(&mut self, proto: ModelProto, setting: &Setting, costs: &mut Costs) -> Result<f64> {
        let signature = signature(&proto);
        if let Some(ms) = costs.get(&signature) {
            self.known += 1;
            return Ok(ms);
        }
        let model = Model { proto, ..Model::default() };
        let session = open_model(setting.runtime, model, setting.session)?;
        let inputs = runtime::random_inputs(session.inputs(), &|_, _, _| 1, setting.seed, 0..2)?;
        let mut session = session.bind()?;
        for (name, tensor) in &inputs {
            session.set(name, tensor)?;
        }
        let ms = fastest(&mut *session)?;
        costs.insert(signature, ms);
        self.timed += 1;
        Ok(ms)
    }

    /// Milliseconds of all parts, each alone.
    fn sum(&self, counts: &[usize]) -> f64 {
        self.grids.iter().map(|g| g.at(counts)).sum()
    }

    /// Brings the sum to the measured time of the whole model: what is missing does not depend on widths, what is too
    /// much is what running alone costs. Gives the share of the time that all parts explain.
    pub fn calibrate(&mut self, full: &[usize], ms: f64) -> f64 {
        let sum = self.sum(full);
        self.scale = if sum > ms && sum > 0.0 { ms / sum } else { 1.0 };
        self.rest = (ms - sum).max(0.0);
        if ms > 0.0 { (sum + self.fixed) / ms } else { 1.0 }
    }

    /// Whether parts that take this share of the model's time stand for it: what is left must not be more than they
    /// are, unless it is known to be something else, nor they more than twice the whole.
    pub fn stands_for_the_model(&self, explained: f64) -> bool {
        explained <= 2.0 && (explained >= 0.5 || !self.complete)
    }
}

/// Milliseconds of the fastest run; values stay where the model runs, as they do within the whole model.
fn fastest(session: &mut dyn Bound) -> runtime::Result<f64> {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut runs = 0;
    // Runtimes prepare themselves on the first run, which is never the fastest.
    while runs < LEAST_RUNS || (runs < RUNS && start.elapsed() < BUDGET) {
        let clock = Instant::now();
        session.run()?;
        best = best.min(clock.elapsed().as_secs_f64() * 1e3);
        runs += 1;
    }
    Ok(best)
}

/// A model that does nothing: what a run costs by itself, which each subgraph pays and the model only once.
fn idle() -> ModelProto {
    let value = |name| onnx::value_info(name, DType::Float, &[Some(1)]);
    let mut edit = Editor::new("idle", 13);
    edit.input(value("x"));
    edit.op(NewNode::identity("x", "y"));
    edit.output(value("y"));
    stand_alone(edit.finish(), 13)
}

/// The first channels of some groups, all of the others.
fn narrow(a: &Analysis, widths: &[(usize, usize)]) -> Kept {
    let shrinks = widths.iter().filter(|(g, n)| *n < a.groups[*g].size);
    shrinks.map(|(g, n)| (a.groups[*g].atom, (0..*n as u32).collect::<Vec<_>>().into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_have_nothing_to_do_with_the_whole_stand_for_nothing() {
        let table = |fixed: f64, complete: bool| Table {
            grids: Vec::new(),
            scale: 1.0,
            rest: 0.0,
            fixed,
            complete,
            timed: 0,
            known: 0,
            left_out: 0,
        };
        let stands = |ms: f64, complete: bool| {
            let mut table = table(ms, complete);
            let explained = table.calibrate(&[], 10.0);
            assert_eq!(explained, ms / 10.0);
            table.stands_for_the_model(explained)
        };
        assert_eq!(
            [0.4, 4.9, 5.1, 10.0, 19.0, 21.0].map(|ms| stands(ms, true)),
            [false, false, true, true, true, false]
        );
        // A loop that cannot be timed alone may be most of a model.
        assert!(stands(0.4, false) && !stands(21.0, false));
    }
}
