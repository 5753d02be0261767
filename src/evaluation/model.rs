//! One model under evaluation.

use std::time::Duration;

use super::{Error, EvaluationRequest, Findings, LatencyRequest, Result, Subject, speed};
use crate::analysis::{Analysis, Shapes};
use crate::metrics::Agreement;
use crate::report::EvaluatedModel;
use crate::runtime::{Runtime, Tensor, generous_limit};

/// A model and what is known of it so far.
pub(super) struct Candidate {
    pub name: String,
    pub report: EvaluatedModel,
    /// Time in the model.
    pub seconds: f64,
    pub samples: u64,
    /// How long opening it and its first run may take.
    pub limit: Duration,
    subject: Subject,
    agreement: Option<Agreement>,
}

impl Candidate {
    /// What the file itself tells.
    pub fn new(subject: &Subject, shapes: &Shapes, warnings: &mut Vec<String>) -> Result<Self> {
        let name = subject.name();
        let model = subject.load()?;
        let analysis = Analysis::new(&*model, shapes)?;
        let full = analysis.full_counts();
        warnings.extend(model.warnings.iter().chain(&analysis.warnings).map(|w| format!("{name}: {w}")));
        let (macs, nodes) = (analysis.costs.macs.eval(&full), analysis.graph.count());
        Ok(Candidate {
            limit: generous_limit(macs, nodes, model.file_bytes),
            report: EvaluatedModel {
                model: name.clone(),
                macs: Some(macs),
                params: Some(analysis.costs.params(&full)),
                bytes: model.file_bytes,
                figures: Vec::new(),
                classes: Vec::new(),
                throughput: None,
                latency: Vec::new(),
                memory: None,
                confusion: None,
            },
            name,
            seconds: 0.0,
            samples: 0,
            subject: subject.clone(),
            agreement: None,
        })
    }

    /// Adds what the reference gives for the same samples.
    pub fn compare(&mut self, outputs: &[(String, Tensor)], expected: &[(String, Tensor)]) -> Result<()> {
        let agreement = self.agreement.get_or_insert_default();
        agreement.add(outputs, expected).map_err(|source| Error::Metric { model: self.name.clone(), source })
    }

    /// Writes down what all samples gave.
    pub fn finish(&mut self, found: Findings, warnings: &mut Vec<String>) {
        (self.report.figures, self.report.classes, self.report.confusion) =
            (found.figures, found.classes, found.confusion);
        warnings.extend(found.warnings.iter().map(|text| format!("{}: {text}", self.name)));
        self.report.throughput = (self.seconds > 0.0).then(|| self.samples as f64 / self.seconds);
        if let Some(agreement) = &self.agreement {
            self.report.figures.extend(agreement.figures().into_iter().map(Into::into));
        }
    }

    /// Times the model in a session of its own.
    pub fn time(
        &mut self,
        runtime: &dyn Runtime,
        asked: &EvaluationRequest,
        request: &LatencyRequest,
        inputs: Option<&[(String, Tensor)]>,
        warnings: &mut Vec<String>,
    ) -> Result<()> {
        let timed = speed::time(&self.subject, runtime, asked, request, inputs)?;
        for one in &timed.latency {
            if let Some(doubt) = one.times.doubt() {
                warnings.push(format!("{}: latency at batch {}: {doubt}", self.name, one.batch));
            }
        }
        (self.report.latency, self.report.memory) = (timed.latency, timed.memory);
        Ok(())
    }
}
