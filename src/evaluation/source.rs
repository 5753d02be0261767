//! Data sets on disk as a source.

use std::sync::Arc;

use super::Source;
use crate::data::{Batch, Batches, Dataset, Loader, LoaderOptions, Origin, Preprocess, Result};
use crate::runtime::IoInfo;

/// A data set, decoded ahead of the models.
pub struct Files {
    name: String,
    dataset: Arc<dyn Dataset>,
    preprocess: Option<Preprocess>,
    options: LoaderOptions,
    /// Samples in a batch; as many as the runtime is fast with if `None`.
    batch: Option<usize>,
    batches: Option<Batches>,
    origin: Option<Origin>,
}

impl Files {
    /// A data set under a name; `batch` says how many samples at a time, what the runtime is fast with if `None`.
    pub fn new(
        name: String,
        dataset: Box<dyn Dataset>,
        preprocess: Option<Preprocess>,
        options: LoaderOptions,
        batch: Option<usize>,
    ) -> Self {
        Files { name, dataset: dataset.into(), preprocess, options, batch, batches: None, origin: None }
    }

    /// The same, with what reports say of it.
    pub fn with_origin(self, origin: Origin) -> Self {
        Files { origin: Some(origin), ..self }
    }
}

impl Source for Files {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn classes(&self) -> Vec<String> {
        self.dataset.classes().to_vec()
    }

    fn origin(&self) -> Option<Origin> {
        self.origin.clone()
    }

    fn count(&self) -> Option<usize> {
        let all = self.dataset.len();
        Some(self.options.samples.map_or(all, |n| n.min(all)))
    }

    fn start(&mut self, inputs: &[IoInfo], batch: usize) -> Result<()> {
        let dataset = Arc::clone(&self.dataset);
        let options = LoaderOptions { batch: self.batch.unwrap_or(batch), ..self.options.clone() };
        if let Some(origin) = &mut self.origin {
            origin.batch = options.batch;
        }
        let loader = Loader::new(dataset, self.preprocess.as_ref(), inputs, options)?;
        self.batches = Some(loader.batches());
        Ok(())
    }

    fn next(&mut self) -> Option<Result<Batch>> {
        self.batches.as_mut()?.next()
    }

    fn left_out(&self) -> Vec<(String, String)> {
        let bad = self.batches.iter().flat_map(Batches::bad);
        bad.map(|sample| (sample.name.clone(), sample.why.clone())).collect()
    }
}
