//! Targets beside MACs: memory of activations, time, and groups that shrink by what they cost.

use crate::common;
use crate::common::small;
use std::path::Path;
use std::time::Duration;

use onnx_prune::analysis::Analysis;
use onnx_prune::job::{Cancel, Event, Job, is_cancelled};
use onnx_prune::latency::{Setting, Table};
use onnx_prune::onnx::Model;
use onnx_prune::planning::targets::{
    ActivationBytes, ActivationShare, Basis, Goal, Milliseconds, Params, Ratio, Size, Speedup, Target, Targets,
    TimeFactor,
};
use onnx_prune::planning::{self, Curve, Latency, Options, Plan};
use onnx_prune::prune::{PruneRequest, measure_only, prune, prune_to};
use onnx_prune::report::{SensitivityMeasure, text};
use onnx_prune::runtime::{self, Choice, SessionOptions};

fn fixture() -> Model {
    Model::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fashion_resnet.onnx")).unwrap()
}

fn classifier() -> Model {
    Model::from_bytes(common::bytes(&small::classifier())).unwrap()
}

fn request(targets: Targets) -> PruneRequest {
    let options = Options { steps: 20, ..Default::default() };
    let scheme = planning::find_scheme("protected-global").unwrap();
    PruneRequest { targets, scheme, options, force: false, ..common::request::request() }
}

#[test]
fn the_peak_of_a_chain_is_its_widest_pair_of_tensors() {
    let model = classifier();
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let peak = |counts: &[usize]| a.costs.activations.peak(counts);
    let bytes = |name: &str| {
        let id = a.graph.id(name).unwrap();
        4.0 * a.facts.concrete(id, &a.facts.bindings).unwrap().iter().product::<usize>() as f64
    };
    // Every node of this chain reads one activation and writes one.
    let pairs = a.graph.nodes().map(|n| bytes(&n.input[0]) + bytes(&n.output[0]));
    assert_eq!(peak(&a.full_counts()), pairs.fold(0.0, f64::max));
    let half: Vec<usize> = a.full_counts().iter().map(|n| n / 2).collect();
    assert!(peak(&half) < peak(&a.full_counts()));
}

#[test]
fn a_memory_target_takes_only_what_is_alive_at_the_peak() {
    let model = fixture();
    let done = prune(&model, &request(Targets::one(&ActivationShare, 0.8)), Job::default()).unwrap();
    let r = done.report;
    assert_eq!(r.missed, None);
    assert!(r.after.activation_bytes <= 0.8 * r.before.activation_bytes);
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let counts: Vec<usize> = r.groups.iter().map(|g| g.after).collect();
    assert!(r.groups.iter().any(|g| g.after == g.before), "all groups shrank");
    for g in (0..counts.len()).filter(|g| counts[*g] < r.groups[*g].before) {
        let mut more = counts.clone();
        more[g] += 1;
        let name = &r.groups[g].name;
        assert!(a.costs.activations.peak(&more) > 0.8 * r.before.activation_bytes, "{name} shrank for nothing");
    }
    let bytes = Targets::one(&ActivationBytes, r.after.activation_bytes);
    let again = prune(&model, &request(bytes), Job::default()).unwrap().report;
    assert!(again.missed.is_none() && again.after.activation_bytes <= r.after.activation_bytes);
}

#[test]
fn memory_that_inputs_take_cannot_go() {
    let done = prune(fixture(), &request(Targets::one(&ActivationBytes, 16.0)), Job::default()).unwrap();
    assert!(!done.is_as_asked() && done.report.missed.unwrap().contains("of activations"));
}

#[test]
fn times_are_taken_once_and_kept() {
    let (model, folder) = (fixture(), tempfile::tempdir().unwrap());
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let selected = runtime::select(Choice::Auto, None).unwrap();
    let session = SessionOptions { threads: Some(1), ..SessionOptions::default() };
    let path = folder.path().to_path_buf();
    let setting = |job| Setting { runtime: &*selected.runtime, session: &session, folder: Some(&path), seed: 0, job };
    let o = Options { round_to: 8, ..Options::default() };
    let limits = planning::may_shrink(&a, planning::find_scheme("protected-global").unwrap(), &o).unwrap();
    let mut warnings = Vec::new();
    let mut measure = |job| Table::measure(&a, &limits, &setting(job), &mut |w| warnings.push(w));
    // Stopped after a few parts, what was timed is kept.
    let cancel = Cancel::new();
    let after_three = |event: &Event| {
        if matches!(event, Event::Progress(p) if p.done == 3) {
            cancel.cancel();
        }
    };
    let error = measure(Job::observed_by(&after_three).cancelled_by(&cancel)).unwrap_err();
    assert!(is_cancelled(&error), "{error}");
    let first = measure(Job::default()).unwrap();
    assert!(first.timed > 0 && first.known > 0 && first.left_out == 0, "{} {}", first.timed, first.known);
    let second = measure(Job::default()).unwrap();
    assert_eq!((second.timed, second.known), (0, first.timed + first.known));
    assert!(warnings.is_empty(), "{warnings:?}");
    let full = a.full_counts();
    assert_eq!(first.milliseconds(&full), second.milliseconds(&full));
    // What is narrower is never slower in the table.
    for share in [0.9, 0.7, 0.5, 0.3] {
        let narrow: Vec<usize> = full.iter().map(|n| (*n as f64 * share) as usize).collect();
        assert!(second.milliseconds(&narrow) <= second.milliseconds(&full));
    }
}

#[test]
fn a_time_out_of_reach_is_missed_with_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.onnx");
    let times = Some(folder.path().join("times"));
    for (targets, unit) in [(Targets::one(&TimeFactor, 1e6), "less time"), (Targets::one(&Milliseconds, 1e-6), "ms")] {
        let mut wanted = request(targets);
        (wanted.times, wanted.verify, wanted.latency) = (times.clone(), true, Some(Duration::from_millis(50)));
        let done = prune_to(classifier(), &wanted, &out, Job::default()).unwrap().commit(Job::default()).unwrap();
        let report = done.pruned.report;
        let missed = report.missed.unwrap();
        assert!(missed.contains("the best reachable is") && missed.contains(unit), "{missed}");
        assert!(!done.written && !out.exists());
        assert!(report.times.is_some_and(|t| t.timed + t.known > 1 && t.plans == 1));
    }
}

#[test]
fn every_group_is_made_smaller_by_itself() {
    let (model, wanted) = (fixture(), request(Targets::one(&Speedup, 2.0)));
    let found = measure_only(&model, &wanted, Job::default()).unwrap();
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    assert_eq!((found.of, found.original, found.groups.len()), (SensitivityMeasure::Agreement, None, a.groups.len()));
    for g in &found.groups {
        let kept: Vec<usize> = g.points.iter().map(|p| p.kept).collect();
        assert_eq!(kept, [0.75, 0.5, 0.25].map(|s| (g.before as f64 * s).round() as usize));
        assert!(g.points.iter().all(|p| (0.0..=2.0).contains(&p.degradation)), "{g:?}");
    }
}

#[test]
fn the_scheme_sensitivity_spares_what_costs_most() {
    let wanted =
        PruneRequest { scheme: planning::find_scheme("sensitivity").unwrap(), ..request(Targets::one(&Speedup, 1.3)) };
    let r = prune(fixture(), &wanted, Job::default()).unwrap().report;
    let s = r.sensitivity.unwrap();
    assert!(r.missed.is_none() && (1.3..1.35).contains(&r.speedup), "{}", r.speedup);
    let loss = |i: &usize| s.groups[*i].points[0].degradation;
    let mut order: Vec<usize> = (0..s.groups.len()).collect();
    order.sort_by(|a, b| loss(a).total_cmp(&loss(b)));
    let stays = |i: usize| r.groups[i].after as f64 / r.groups[i].before as f64;
    assert!(stays(order[order.len() - 1]) > stays(order[0]), "{s:?}");
}

/// What a scheme that follows no data plans for some targets on made-up losses.
fn planned(a: &Analysis, scheme: &str, targets: &Targets) -> Plan {
    let scheme = planning::find_scheme(scheme).unwrap();
    let options = Options { steps: 40, ..Options::default() };
    let degradations: Vec<Vec<(f64, f64)>> =
        (0..a.groups.len()).map(|g| vec![(0.25, 0.01 * (g + 1) as f64), (0.75, 0.1 * (g + 1) as f64)]).collect();
    let curve = |g: usize| Curve {
        order: (0..a.groups[g].size as u32).collect(),
        losses: (0..a.groups[g].size).map(|k| (g + 1) as f64 * (k as f64 / a.groups[g].size as f64).powi(2)).collect(),
        stream: false,
    };
    let curves: Vec<Curve> = (0..a.groups.len()).map(curve).collect();
    let aim = planning::PlanRequest {
        fixed_bytes: 1000.0,
        degradations: if scheme.needs_degradations() { &degradations } else { &[] },
        curves: if scheme.follows_curves() { &curves } else { &[] },
        ..planning::PlanRequest::new(onnx_prune::criteria::find("l2").unwrap(), scheme, targets, &options)
    };
    planning::plan(a, &aim, Job::default()).unwrap()
}

/// The figure of a target with these channel counts.
fn figure(a: &Analysis, counts: &[usize], target: &dyn Target) -> f64 {
    target.figure(&Basis { fixed_bytes: 1000.0, ..Basis::new(a) }, counts)
}

#[test]
fn of_two_targets_each_binds_in_turn() {
    let a = Analysis::new(fixture(), &Vec::new()).unwrap();
    let speedup = 1.8;
    // A wanted value at which so many times as much is left as at a figure.
    let share = |figure: f64, times: f64| figure * times;
    let ratio = |figure: f64, times: f64| 1.0 - (1.0 - figure) * times;
    type Other = (&'static dyn Target, fn(f64, f64) -> f64);
    let others: [Other; 4] = [(&Params, share), (&Size, share), (&ActivationShare, share), (&Ratio, ratio)];
    for scheme in planning::schemes() {
        let plan = |targets: &Targets| planned(&a, scheme.name(), targets);
        let alone = plan(&Targets::one(&Speedup, speedup));
        for (other, scaled) in others {
            let case = format!("{} {}", scheme.name(), other.key());
            let both = |times| {
                let wanted = scaled(figure(&a, &alone.counts(), other), times);
                plan(&Targets::one(&Speedup, speedup).and(Goal::new(other, wanted)))
            };
            let (easy, hard) = (both(1.1), both(0.9));
            for plan in [&easy, &hard] {
                assert!(!plan.is_missed() && plan.reached.len() == 2, "{case}: {:?}", plan.missed());
                assert!(plan.reached.iter().all(|r| r.goal.target.holds(r.figure, r.goal.wanted)), "{case}");
            }
            // The target that binds no longer holds with the channel back that counts most for it.
            let binds = |plan: &Plan, target: &'static dyn Target| {
                let goal = plan.reached.iter().find(|r| r.goal.target.key() == target.key()).unwrap().goal;
                let counts = plan.counts();
                (0..counts.len()).filter(|g| counts[*g] < a.groups[*g].size).any(|g| {
                    let mut more = counts.clone();
                    more[g] += 1;
                    !target.holds(figure(&a, &more, target), goal.wanted)
                })
            };
            assert!(binds(&hard, other), "{case}: {:?}", hard.reached);
            assert!(binds(&easy, &Speedup), "{case}: {:?}", easy.reached);
            // What is reached in passing changes nothing where the order is that of scores.
            if !scheme.follows_curves() {
                assert_eq!(easy.kept, alone.kept, "{case}");
            }
        }
    }
}

#[test]
fn all_that_is_missed_is_named() {
    let a = Analysis::new(fixture(), &Vec::new()).unwrap();
    let targets = Targets::one(&Speedup, 1.5).and(Goal::new(&Params, 1e-6)).and(Goal::new(&Size, 10.0));
    for scheme in planning::schemes() {
        let plan = planned(&a, scheme.name(), &targets);
        let why = plan.missed().unwrap();
        assert!(why.contains("wanted 0.00 % of the parameters; the best reachable is"), "{why}");
        assert!(why.contains("MB, wanted 0.000 MB; what is left") && !why.contains("speed-up of"), "{why}");
        let met: Vec<bool> = plan.reached.iter().map(|r| r.met).collect();
        assert_eq!(met, [true, false, false], "{}", scheme.name());
    }
}

#[test]
fn a_report_tells_what_came_of_each_target() {
    let both = Targets::one(&Speedup, 1.5).and(Goal::new(&Params, 0.4)).and(Goal::new(&Size, 600_000.0));
    let done = prune(fixture(), &request(both), Job::default()).unwrap();
    let r = &done.report;
    assert!(done.is_as_asked() && r.missed.is_none() && r.speedup >= 1.5 && done.model.file_bytes <= 600_000);
    assert!(r.after.params <= 0.4 * r.before.params);
    let names: Vec<(&str, bool)> = r.targets.iter().map(|t| (t.name.as_str(), t.met)).collect();
    assert_eq!(names, [("speedup", true), ("params", true), ("size", true)]);
    let lines = text::targets(r);
    assert!(lines[1].starts_with("wanted 40.00 % of the parameters, reached 3"), "{lines:?}");
    assert!(text::reached(r).contains("targets: a speed-up of 1.500x and 40.00 % of the parameters and 0.600 MB"));
}

#[test]
fn a_time_and_parameters_hold_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut wanted = request(Targets::one(&TimeFactor, 1e6).and(Goal::new(&Params, 0.6)));
    (wanted.times, wanted.latency) = (Some(folder.path().join("times")), Some(Duration::from_millis(50)));
    let r = prune(classifier(), &wanted, Job::default()).unwrap().report;
    let met: Vec<(&str, bool)> = r.targets.iter().map(|t| (t.name.as_str(), t.met)).collect();
    assert_eq!(met, [("params", true), ("latency", false)]);
    assert!(r.missed.unwrap().contains("less time"));
}

#[test]
fn a_scheme_that_follows_losses_wants_some() {
    let (model, wanted) = (fixture(), request(Targets::one(&Speedup, 1.3)));
    let a = Analysis::new(&model, &Vec::new()).unwrap();
    let aim = planning::PlanRequest {
        score: wanted.score,
        ..planning::PlanRequest::new(
            wanted.criterion,
            planning::find_scheme("sensitivity").unwrap(),
            &wanted.targets,
            &wanted.options,
        )
    };
    let refused = planning::plan(&a, &aim, Job::default());
    assert!(matches!(refused, Err(planning::Error::NoLosses { scheme: "sensitivity" })));
}
