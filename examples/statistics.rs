//! What activations say of each group of a model, as JSON, and how long it takes to find out.
//!
//! `cargo run --release --example statistics -- MODEL INPUTS OUT [--batch N] [--positions N] [--maps FILE]`: INPUTS
//! holds raw float32 values for the model's only input, sample after sample. `tools/check_activations.py` compares the
//! numbers with NumPy's. `--maps` writes some feature maps as raw float32 values (height, width, number first).

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use onnx_prune::algebra::NOT_HERE;
use onnx_prune::analysis::Analysis;
use onnx_prune::criteria::{self, Criterion, GroupItems};
use onnx_prune::data::{Batch, BatchSource, Label, Pass, SourceError};
use onnx_prune::job::Job;
use onnx_prune::matrix::Ranks;
use onnx_prune::onnx::Model;
use onnx_prune::ops::Role;
use onnx_prune::runtime::{self, Choice, IoInfo, SessionOptions, Tensor};
use onnx_prune::statistics::{ActivationProbe, Calibration, RANKS, SHARES, collect, consumers, with_probes};
use serde_json::json;

/// Batches read from a file of raw values as they are asked for.
struct Raw {
    path: PathBuf,
    batch: usize,
}

impl BatchSource for Raw {
    fn pass(&self, inputs: &[IoInfo]) -> Result<Pass<'_>, SourceError> {
        let [input] = inputs else { return Err("the model has several inputs".into()) };
        let shape = input.shape(&|_, _| 1).ok_or("the input has no rank")?;
        let each: usize = shape.iter().skip(1).product();
        let mut file = std::fs::File::open(&self.path)?;
        let samples = file.metadata()?.len() as usize / 4 / each;
        let name = input.name.clone();
        let batch = move |from: usize| {
            let n = self.batch.min(samples - from);
            let mut bytes = vec![0u8; n * each * 4];
            std::io::Read::read_exact(&mut file, &mut bytes)?;
            let values: Vec<f32> =
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            let shape: Vec<usize> = [n].into_iter().chain(shape.iter().skip(1).copied()).collect();
            Ok(Batch {
                inputs: vec![(name.clone(), Tensor::new(shape, values)?)],
                targets: vec![Label::Unknown; n],
                names: (from..from + n).map(|i| i.to_string()).collect(),
                frames: Vec::new(),
            })
        };
        Ok(Pass::new((0..samples).step_by(self.batch).map(batch)))
    }
}

/// Seconds of `work`, and what it gave.
fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(f64, T), E> {
    let clock = Instant::now();
    let out = work()?;
    Ok((clock.elapsed().as_secs_f64(), out))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let mut option = |name: &str| {
        let at = args.iter().position(|a| a == name)?;
        args.remove(at);
        (at < args.len()).then(|| args.remove(at))
    };
    let batch = option("--batch").map_or(Ok(32), |v| v.parse())?;
    let positions = option("--positions").map_or(Ok(Calibration::POSITIONS), |v| v.parse())?;
    let maps = option("--maps");
    let [model, inputs, out] = &args[..] else { return Err("give MODEL INPUTS OUT".into()) };

    let model = Model::load(Path::new(model))?;
    let a = Analysis::new(&model, &Vec::new())?;
    let source = Raw { path: inputs.into(), batch };
    let selected = runtime::select(Choice::Auto, None)?;
    let calibration = Calibration {
        source: &source,
        runtime: &*selected.runtime,
        session: SessionOptions::default(),
        seed: 0,
        positions,
        job: Job::default(),
    };
    let forward = || ActivationProbe::open(&model, &calibration)?.run(&mut |_, _, _| Ok(()));
    forward()?;
    let (plain, _) = timed(forward)?;
    let (grams, shares) = timed(|| collect(&a, &[&SHARES], &calibration))?;
    let (ranking, ranks) = timed(|| collect(&a, &[&RANKS], &calibration))?;

    let mut groups = Vec::new();
    let mut scoring = json!({});
    for (g, group) in a.groups.iter().enumerate() {
        // Which channel each position of the weights that read the group is; none is -1.
        let position = |c: &u32| if *c == NOT_HERE { -1 } else { i64::from(*c) };
        let reads: Vec<_> = group
            .items
            .iter()
            .filter(|i| i.role == Role::In)
            .map(|i| json!([a.graph.name(a.views[i.view].tensor), i.channel.iter().map(position).collect::<Vec<_>>()]))
            .collect();
        groups.push(json!({
            "name": group.name, "channels": group.size, "gram": shares[g].get(SHARES), "ranks": ranks[g].get(RANKS),
            "reads": reads,
            "scores": {},
        }));
    }
    let by_shares = |c: &&&dyn Criterion| c.plan().statistics().iter().any(|key| key.name() == SHARES.name());
    for c in criteria::criteria().iter().filter(by_shares) {
        let clock = Instant::now();
        for (g, group) in a.groups.iter().enumerate() {
            let (name, channels, statistics) = (group.name.clone(), group.size, shares[g].clone());
            if statistics.get(SHARES).is_some() {
                let items = GroupItems { name, channels, items: Vec::new(), statistics };
                groups[g]["scores"][c.name()] = json!(c.plan().given(&items, 0));
            }
        }
        scoring[c.name()] = json!(clock.elapsed().as_secs_f64());
    }
    let peak = peak_memory();
    let mut seconds = json!({ "forward": plain, "grams": grams, "ranks": ranking, "scores": scoring });
    if let Some(path) = maps {
        seconds["maps"] = json!(write_maps(&a, &calibration, Path::new(&path))?);
    }
    println!("seconds: {seconds}, peak memory: {peak}");
    serde_json::to_writer(std::fs::File::create(out)?, &json!({ "groups": groups, "seconds": seconds }))?;
    Ok(())
}

/// As Linux tells it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned()
}

/// The first batch's maps of every tensor that a weight reads, largest first, with their ranks beside them; how many
/// seconds one thread took for these.
fn write_maps(a: &Analysis, calibration: &Calibration, path: &Path) -> Result<f64, Box<dyn Error>> {
    let mut ids: Vec<_> = consumers(a).iter().map(|c| c.data).collect();
    ids.sort_unstable();
    ids.dedup();
    let names: Vec<&str> = ids.iter().map(|i| a.graph.name(*i)).collect();
    let model = with_probes(&a.graph.model, names.iter().copied())?;
    let file = Mutex::new(std::io::BufWriter::new(std::fs::File::create(path)?));
    let mut first = true;
    let mut seconds = 0.0;
    ActivationProbe::open(&model, calibration)?.run(&mut |_, outputs, _| {
        if !std::mem::take(&mut first) {
            return Ok(());
        }
        for (_, t) in outputs.iter().filter(|(n, _)| names.contains(n)) {
            let (&[n, c, h, w], Some(values)) = (t.shape(), t.floats()) else { continue };
            let mut ranks = Ranks::default();
            let clock = Instant::now();
            let ranks: Vec<f32> = values.chunks_exact(h * w).map(|m| ranks.rank(m, h, w).unwrap_or(0) as f32).collect();
            seconds += clock.elapsed().as_secs_f64();
            let head = [h as f32, w as f32, (n * c) as f32];
            if let Ok(mut file) = file.lock() {
                for v in head.iter().chain(&ranks).chain(values.iter()) {
                    let _ = file.write_all(&v.to_le_bytes());
                }
            }
        }
        Ok(())
    })?;
    Ok(seconds)
}
