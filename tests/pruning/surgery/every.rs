//! The whole zoo, pruned in every way.

use std::collections::BTreeSet;
use std::sync::Arc;

use onnx_prune::analysis::{Analysis, AxisKind};
use onnx_prune::criteria;
use onnx_prune::data::BatchSource;
use onnx_prune::planning::targets::{Ratio, Speedup, Targets};
use onnx_prune::planning::{self, Axes, Options};
use onnx_prune::prune::{Error, PruneRequest};
use onnx_prune::recovery::Means;

use super::{RUNTIME, common, half, load, pruned, run, try_prune, zoo};

#[test]
fn half_of_every_group() {
    for z in zoo::ALL {
        let (outcome, _) = pruned(z.name, &(z.build)(), &half());
        for g in outcome.report.groups.iter().filter(|g| half().options.axes.contains(g.kind)) {
            assert_eq!(g.after, g.before / 2, "{}: {}", z.name, g.name);
        }
    }
}

#[test]
fn random_channels() {
    for z in zoo::ALL {
        for seed in 0..3 {
            let mut request = half();
            request.criterion = criteria::find("random").unwrap();
            request.score.seed = seed;
            request.targets = Targets::one(&Ratio, 0.3 + 0.2 * seed as f64);
            pruned(z.name, &(z.build)(), &request);
        }
    }
}

#[test]
fn one_ranking_over_all_groups() {
    let mut missed = std::collections::BTreeSet::new();
    for z in zoo::ALL {
        for scheme in ["global", "protected-global", "isomorphic"] {
            let mut request = half();
            request.scheme = planning::find_scheme(scheme).unwrap();
            request.targets = Targets::one(&Speedup, 1.4);
            let (outcome, _) = pruned(z.name, &(z.build)(), &request);
            let r = &outcome.report;
            match &r.missed {
                None => assert!(r.speedup >= 1.4, "{} by {scheme}: {}", z.name, r.speedup),
                // The best that can be reached is what all that may go brings.
                Some(_) => {
                    assert!(r.speedup < 1.4, "{} by {scheme}: {}", z.name, r.speedup);
                    missed.insert(z.name);
                }
            }
        }
    }
    assert!(missed.len() < zoo::ALL.len() / 10, "{missed:?}");
}

#[test]
fn multiples_of_four() {
    for z in zoo::ALL {
        let options = Options { round_to: 4, ..half().options };
        let request = PruneRequest { options, targets: Targets::one(&Ratio, 0.4), ..half() };
        let (outcome, _) = match try_prune(&(z.build)(), &request) {
            Ok(done) => done,
            Err(e) => {
                let model = load(&common::bytes(&(z.build)()));
                let a = Analysis::new(&model, &Vec::new()).unwrap();
                assert!(a.groups.iter().all(|g| g.size <= 4), "{}: {e}", z.name);
                assert!(e.to_string().contains("`round_to` 4"), "{e}");
                continue;
            }
        };
        let groups = &outcome.report.groups;
        assert!(groups.iter().all(|g| g.after == g.before || g.after % 4 == 0), "{}", z.name);
        if groups.iter().any(|g| g.after < g.before) {
            pruned(z.name, &(z.build)(), &request);
        }
    }
}

#[test]
fn whole_heads() {
    let attention = [
        "fused_qkv",
        "separate_qkv",
        "grouped_query",
        "rotary",
        "scale_from_shape",
        "einsum_attention",
        "one_key_for_all",
        "cross_attention",
        "talking_heads",
        "relative_bias",
        "attention_op",
        "attention_op_grouped",
        "attention_op_cached",
        "rotary_op",
        "multi_head",
        "multi_head_cross",
        "group_query",
        "group_query_packed",
        "packed_attention",
    ];
    for z in zoo::ALL.iter().filter(|z| attention.contains(&z.name)) {
        let options = Options { axes: Axes::whole_heads(), ..half().options };
        let (outcome, _) = pruned(z.name, &(z.build)(), &PruneRequest { options, ..half() });
        let of = |kind: AxisKind| outcome.report.groups.iter().filter(|g| g.kind == kind).collect::<Vec<_>>();
        assert!(
            !of(AxisKind::Heads).is_empty() && of(AxisKind::Heads).iter().all(|g| g.after == g.before / 2),
            "{}",
            z.name
        );
        assert!(of(AxisKind::HeadDim).iter().all(|g| g.after == g.before), "{}", z.name);
    }
}

#[test]
fn every_network_is_recovered() {
    for z in zoo::ALL {
        let data: Option<Arc<dyn BatchSource>> = Some(Arc::new(common::noise::Noise(3)));
        let recover = Means { refit: true, recalibrate: true };
        let request = PruneRequest { data, recover, ..half() };
        // tract does not run every network.
        if matches!(try_prune(&(z.build)(), &request), Err(Error::Rewriting(_) | Error::Statistics(_)))
            && RUNTIME.runtime.name() != "onnxruntime"
        {
            continue;
        }
        let (outcome, _) = pruned(z.name, &(z.build)(), &request);
        let recovery = outcome.report.recovery.unwrap();
        assert!(recovery.layers.is_some() && recovery.normalizations.is_some(), "{}", z.name);
    }
}

#[test]
fn every_criterion_scores_every_network() {
    for z in zoo::ALL {
        for c in criteria::criteria().iter().filter(|c| c.name() != "bnscale") {
            let data: Option<Arc<dyn BatchSource>> = Some(Arc::new(common::noise::Noise(3)));
            let request = PruneRequest { criterion: *c, verify: false, data, ..half() };
            let m = (z.build)();
            let (outcome, _) = match try_prune(&m, &request) {
                Err(Error::Statistics(_) | Error::Rewriting(_) | Error::Runtime(_))
                    if RUNTIME.runtime.name() != "onnxruntime" =>
                {
                    continue;
                }
                done => done.unwrap_or_else(|e| panic!("{} by {}: {e}", z.name, c.name())),
            };
            assert!(outcome.report.after.params < outcome.report.before.params, "{} by {}", z.name, c.name());
        }
    }
}

#[test]
fn the_same_bytes_again_and_on_any_number_of_threads() {
    for z in zoo::ALL {
        let m = (z.build)();
        let request = PruneRequest { verify: false, targets: Targets::one(&Speedup, 1.5), ..half() };
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| try_prune(&m, &request).unwrap().1)
        };
        let all: BTreeSet<Vec<u8>> = [on(1), on(4), on(4)].into();
        assert_eq!(all.len(), 1, "{}", z.name);
    }
}

#[test]
fn a_report_replays_to_the_same_bytes() {
    for z in zoo::ALL {
        let m = (z.build)();
        let request = PruneRequest { verify: false, criterion: criteria::find("random").unwrap(), ..half() };
        let (outcome, bytes) = try_prune(&m, &request).unwrap();
        let json = serde_json::to_string(&outcome.report).unwrap();
        let recipe = Some(onnx_prune::report::recipe(&json).unwrap());
        let again = PruneRequest { recipe, criterion: criteria::find("l1").unwrap(), ..request };
        assert_eq!(try_prune(&m, &again).unwrap().1, bytes, "{}", z.name);
    }
}

#[test]
fn what_is_written_out_means_the_same() {
    let mut seen = 0;
    for z in zoo::ALL {
        let (m, original) = ((z.build)(), common::bytes(&(z.build)()));
        let loaded = load(&original);
        if !loaded.warnings.iter().any(|w| w.contains("written out")) {
            continue;
        }
        seen += 1;
        let Ok(before) = run(&original, &m, 2) else {
            assert_ne!(RUNTIME.runtime.name(), "onnxruntime", "{}", z.name);
            continue;
        };
        let after = run(&common::bytes(&loaded.proto), &m, 2).unwrap_or_else(|e| panic!("{}: {e}", z.name));
        for (b, a) in before.iter().zip(&after) {
            assert!(b.1.max_abs_diff(&a.1).unwrap() <= 1e-5 * b.1.max_abs(), "{}: {}", z.name, b.0);
        }
    }
    assert!(seen > 1);
}

/// Pruning a pruned model is pruning a model.
#[test]
fn twice() {
    let mut again = 0;
    for z in zoo::ALL {
        let (_, once) = pruned(z.name, &(z.build)(), &half());
        let (outcome, bytes) = match try_prune(&once, &half()) {
            Ok(done) => done,
            Err(e) => {
                assert!(e.to_string().contains("nothing in this model can be pruned"), "{}: {e}", z.name);
                continue;
            }
        };
        again += 1;
        let r = &outcome.report;
        if r.after.params < r.before.params {
            assert!(bytes.len() < common::bytes(&once).len(), "{}", z.name);
            assert!(r.verification.as_ref().is_none_or(|v| v.difference < 1e-4), "{}", z.name);
        }
    }
    assert!(10 * again > 9 * zoo::ALL.len(), "only {again} of {}", zoo::ALL.len());
}
