//! Gradients that are handed in, made up here: a criterion that this file alone knows scores a whole model by them.

use std::collections::BTreeMap;

use onnx_prune::analysis::{Analysis, TensorId};
use onnx_prune::criteria::{self, Criterion, Normalization, Roles, ScoreOptions, ScorePlan, Term};
use onnx_prune::index::Id;
use onnx_prune::job::Job;
use onnx_prune::onnx::Model;
use onnx_prune::ops::Role;
use onnx_prune::planning::targets::{Speedup, Targets};
use onnx_prune::planning::{self, Options};
use onnx_prune::statistics::{GRADIENT, Key, PerElement, Statistics, WeightStatistics};

use crate::common;
use crate::common::small;

/// |w·∂L/∂w|.
struct Taylor;

impl Term for Taylor {
    const NAME: &'static str = "|w·g|";
    const STATISTIC: Option<Key<PerElement>> = Some(GRADIENT);

    fn of(weight: f64, gradient: f64) -> f64 {
        (weight * gradient).abs()
    }
}

impl Criterion for Taylor {
    fn name(&self) -> &'static str {
        "taylor"
    }

    fn manual(&self) -> &'static str {
        ""
    }

    fn plan(&self) -> ScorePlan {
        ScorePlan::items(&Taylor, Roles::SCORED)
    }
}

fn analysis() -> Analysis {
    let model = Model::from_bytes(common::bytes(&small::classifier())).unwrap();
    Analysis::new(&model, &Vec::new()).unwrap()
}

/// Values of an initializer.
fn values(a: &Analysis, tensor: TensorId) -> Vec<f32> {
    onnx_prune::onnx::to_f32(a.graph.tensor(tensor).unwrap()).unwrap().into_owned()
}

/// A gradient for each weight, none like another.
fn made_up(a: &Analysis) -> Statistics {
    let of = |tensor: TensorId| {
        let mut known = WeightStatistics::default();
        let n = values(a, tensor).len();
        known.set(
            GRADIENT,
            (0..n).map(|i| ((i * 37 + tensor.place() * 11) % 101) as f32 / 50.0 - 1.0).collect::<Vec<f32>>(),
        );
        (tensor, known)
    };
    let weights: BTreeMap<_, _> = a.views.iter().map(|v| of(v.tensor)).collect();
    Statistics { weights, ..Statistics::default() }
}

/// The mean over scored items of Σ |w·g| by channel.
fn by_loops(a: &Analysis, statistics: &Statistics, group: usize) -> Vec<f64> {
    let group = &a.groups[group];
    let items: Vec<_> = group.items.iter().filter(|i| matches!(i.role, Role::Out | Role::In)).collect();
    let mut scores = vec![0.0; group.size];
    for item in &items {
        let tensor = a.views[item.view].tensor;
        let (w, shape) = (values(a, tensor), a.facts.tensors[tensor].known_shape().unwrap());
        let g = statistics.weights[&tensor].get(GRADIENT).unwrap();
        let inner: usize = shape[item.axis + 1..].iter().product();
        for (i, (w, g)) in w.iter().zip(g.iter()).enumerate() {
            let position = i / inner % shape[item.axis];
            scores[item.channel[position] as usize] += (f64::from(*w) * f64::from(*g)).abs();
        }
    }
    scores.iter().map(|s| s / items.len() as f64).collect()
}

#[test]
fn handed_in_gradients_score_a_model() {
    let a = analysis();
    let statistics = made_up(&a);
    let raw = ScoreOptions { normalization: Normalization::None, ..ScoreOptions::default() };
    let scores = planning::first_scores(&a, &Taylor, raw, &statistics).unwrap();
    assert!(scores.len() == 2);
    for (g, scores) in scores.iter().enumerate() {
        let wanted = by_loops(&a, &statistics, g);
        for (c, (s, w)) in scores.iter().zip(&wanted).enumerate() {
            assert!((s - w).abs() <= 1e-12 * w.abs(), "group {g}, channel {c}: {s}, not {w}");
        }
    }
}

#[test]
fn a_plan_follows_them_and_without_any_there_is_none() {
    let a = analysis();
    let plan = |statistics: &Statistics| {
        let targets = Targets::one(&Speedup, 2.0);
        let options = Options::default();
        let aim = planning::PlanRequest {
            statistics,
            ..planning::PlanRequest::new(&Taylor, planning::find_scheme("global").unwrap(), &targets, &options)
        };
        planning::plan(&a, &aim, Job::default())
    };
    // Without a gradient, three channels matter to nobody.
    let mut statistics = made_up(&a);
    let idle = [2usize, 3, 11];
    for item in &a.groups[0].items {
        let tensor = a.views[item.view].tensor;
        let shape = a.facts.tensors[tensor].known_shape().unwrap();
        let inner: usize = shape[item.axis + 1..].iter().product();
        let known = statistics.weights.get_mut(&tensor).unwrap();
        let mut gradient = known.get(GRADIENT).unwrap().to_vec();
        for (i, g) in gradient.iter_mut().enumerate() {
            if idle.contains(&(item.channel[i / inner % shape[item.axis]] as usize)) {
                *g = 0.0;
            }
        }
        known.set(GRADIENT, gradient);
    }
    let kept = &plan(&statistics).unwrap().kept[0];
    assert!(idle.iter().all(|c| !kept.contains(&(*c as u32))), "{kept:?}");
    let error = plan(Statistics::NONE).unwrap_err();
    assert!(
        matches!(error, planning::Error::Criterion(criteria::Error::NoGradients { criterion: "taylor" })),
        "{error}"
    );
}
