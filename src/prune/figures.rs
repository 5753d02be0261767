//! What a report begins with: figures of both models, and what was asked.

use std::path::PathBuf;

use super::PruneRequest;
use crate::analysis::{Analysis, count};
use crate::onnx::Model;
use crate::planning::Plan;
use crate::report::{ModelFigures, Report, Settings, Timings, VERSION, overview};

pub(super) fn start_report(
    a: &Analysis,
    request: &PruneRequest,
    plan: &Plan,
    missed: Option<String>,
    pruned: &Model,
) -> Report {
    let model = &a.graph.model;
    let (full, counts) = (a.full_counts(), plan.counts());
    let weights = |c: &[usize]| a.costs.weight_bytes(c);
    let figures = |c: &[usize], bytes| ModelFigures {
        macs: a.costs.macs.eval(c),
        params: a.costs.params(c),
        bytes,
        activation_bytes: a.costs.activations.peak(c),
        channels: c.iter().sum(),
    };
    let before = figures(&full, model.file_bytes);
    let estimate = model.file_bytes as f64 - weights(&full) + weights(&counts);
    // Copies that happen to keep the same are one tensor, and numbers that nodes need are stored too.
    let params = count(&pruned.proto).params;
    let after = ModelFigures { params, ..figures(&counts, estimate.max(0.0) as u64) };
    let all = overview(a, Some(&plan.kept));
    let name = |p: &PathBuf| p.file_name().map(|n| n.to_string_lossy().into_owned());
    Report {
        report: VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: model.path.as_ref().and_then(name).unwrap_or_else(|| "-".to_owned()),
        settings: settings(request),
        shapes: a.facts.bindings.iter().map(|(k, v)| (k.clone(), *v)).collect(),
        before,
        after,
        uncounted: a.costs.uncounted.clone(),
        // A model without MACs is as fast as it was.
        speedup: if before.macs > 0.0 && after.macs > 0.0 { before.macs / after.macs } else { 1.0 },
        steps: plan.steps,
        targets: plan.reached.iter().copied().map(Into::into).collect(),
        missed,
        groups: all.groups,
        frozen: all.frozen,
        verification: None,
        not_verified: None,
        recovery: None,
        sensitivity: None,
        times: None,
        latency: None,
        library: None,
        seconds: Timings::default(),
        warnings: Vec::new(),
    }
}

/// What was asked, enough to do it again. A replay is of what was asked first, but for what it sets itself.
fn settings(request: &PruneRequest) -> Settings {
    let asked = || Settings {
        criterion: request.criterion.name().to_owned(),
        scheme: request.scheme.name().to_owned(),
        targets: request.targets.clone(),
        keep: request.keep,
        seed: request.score.seed,
        reduction: request.score.reduction,
        normalization: request.score.normalization,
        options: request.options.clone(),
        strip_debug: request.strip_debug,
        refit: request.recover.refit,
        recalibrate_bn: request.recover.recalibrate,
        drop_initializer_inputs: request.drop_initializer_inputs,
        data: request.data.as_deref().and_then(|d| d.origin()).cloned(),
        runtime: request.runtime,
        device: request.session.device,
    };
    let Some(recipe) = &request.recipe else { return asked() };
    let Settings { criterion, scheme, keep, reduction, normalization, options, .. } = recipe.settings.clone();
    Settings { criterion, scheme, keep, reduction, normalization, options, ..asked() }
}
