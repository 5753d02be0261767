//! Time of iterative scoring on the shapes of ResNet-50: `cargo bench --no-default-features --bench scoring`.
//!
//! Every step removes about 0.25 % of the channels of every group, lowest score first, and scores again.
//! Arguments: names of criteria (default: all), `--steps N` (default 100).

use std::time::Instant;

use onnx_prune::criteria::{GroupItems, ItemRole, ScoreOptions, Scoreboard, ScoredItem, Weight, WeightData, criteria};

/// Collects weights and the groups that they belong to.
#[derive(Default)]
struct Model {
    weights: Vec<Weight>,
    groups: Vec<GroupItems>,
    noise: u64,
}

impl Model {
    fn group(&mut self, channels: usize) -> usize {
        let name = format!("g{}", self.groups.len());
        self.groups.push(GroupItems { name, channels, items: Vec::new(), statistics: Default::default() });
        self.groups.len() - 1
    }

    fn weight(&mut self, shape: &[usize], owners: &[(Option<usize>, ItemRole)]) {
        let index = self.weights.len();
        let fan_in: usize = shape[1..].iter().product();
        let scale = (fan_in as f32).sqrt().recip();
        let values = (0..shape.iter().product::<usize>()).map(|_| self.draw() * scale).collect();
        let data = WeightData::Floats(values);
        self.weights.push(Weight { name: format!("w{index}"), shape: shape.to_vec(), data, ..Weight::default() });
        for (axis, &(group, role)) in owners.iter().enumerate() {
            if let Some(group) = group {
                let channel = (0..shape[axis] as u32).collect();
                self.groups[group].items.push(ScoredItem { weight: index, axis, role, channel });
            }
        }
    }

    /// A sum of three uniform numbers (xorshift): close enough to a trained weight's distribution.
    fn draw(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..3 {
            self.noise ^= self.noise << 13;
            self.noise ^= self.noise >> 7;
            self.noise ^= self.noise << 17;
            sum += (self.noise >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        }
        sum
    }

    /// A convolution with its batch normalisation.
    fn conv(&mut self, from: Option<usize>, to: usize, inputs: usize, kernel: usize) {
        let outputs = self.groups[to].channels;
        self.weight(&[outputs, inputs, kernel, kernel], &[(Some(to), ItemRole::Out), (from, ItemRole::In)]);
        self.weight(&[outputs], &[(Some(to), ItemRole::BatchNorm)]);
        self.weight(&[outputs], &[(Some(to), ItemRole::Carried)]);
    }
}

fn resnet50() -> Model {
    let mut m = Model { noise: 0x9e37_79b9_7f4a_7c15, ..Model::default() };
    let mut before = m.group(64);
    m.conv(None, before, 3, 7);
    for (planes, blocks) in [(64, 3), (128, 4), (256, 6), (512, 3)] {
        let stage = m.group(planes * 4);
        for block in 0..blocks {
            let inputs = m.groups[before].channels;
            if block == 0 {
                m.conv(Some(before), stage, inputs, 1);
            }
            let (one, two) = (m.group(planes), m.group(planes));
            m.conv(Some(before), one, inputs, 1);
            m.conv(Some(one), two, planes, 3);
            m.conv(Some(two), stage, planes, 1);
            before = stage;
        }
    }
    m.weight(&[1000, 2048], &[(None, ItemRole::Out), (Some(before), ItemRole::In)]);
    m
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|l| l.starts_with("VmHWM")).map(|l| l[6..].trim().to_string()).unwrap_or_default()
}

fn main() {
    let mut names: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let mut steps = 100usize;
    if let Some(at) = names.iter().position(|a| a == "--steps") {
        steps = names.get(at + 1).and_then(|n| n.parse().ok()).unwrap_or(steps);
        names.drain(at..(at + 2).min(names.len()));
    }
    let model = resnet50();
    let parameters: usize = model.weights.iter().map(|w| w.data.len()).sum();
    println!("{:.1} M parameters, {} groups, {steps} steps", parameters as f64 / 1e6, model.groups.len());
    for criterion in criteria().iter().filter(|c| names.is_empty() || names.iter().any(|n| n == c.name())) {
        for round in 0..3 {
            let (weights, groups) = (model.weights.clone(), model.groups.clone());
            let start = Instant::now();
            let mut board = match Scoreboard::new(*criterion, weights, groups, ScoreOptions::default()) {
                Ok(board) => board,
                Err(error) => return println!("{}: {error}", criterion.name()),
            };
            let built = start.elapsed().as_secs_f64();
            let (mut removed, mut slowest) = (0usize, 0f64);
            let start = Instant::now();
            for step in 1..=steps {
                let now = Instant::now();
                for g in 0..board.groups() {
                    let scores = board.scores(g);
                    let quota = |step: usize| scores.len() * step / 400;
                    let mut order: Vec<usize> = (0..scores.len()).filter(|&c| !scores[c].is_nan()).collect();
                    let count = (quota(step) - quota(step - 1)).min(order.len().saturating_sub(1));
                    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(a.cmp(&b)));
                    order.truncate(count);
                    removed += count;
                    board.remove(g, &order);
                }
                board.refresh();
                slowest = slowest.max(now.elapsed().as_secs_f64());
            }
            let stepped = start.elapsed().as_secs_f64();
            println!(
                "{:8} round {round}: build {:7.1} ms, steps {:7.1} ms ({:.2} ms each, slowest {:.2} ms), {removed} channels, peak {}",
                criterion.name(),
                built * 1e3,
                stepped * 1e3,
                stepped * 1e3 / steps as f64,
                slowest * 1e3,
                peak_memory()
            );
        }
    }
}
