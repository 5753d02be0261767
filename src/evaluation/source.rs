//! Data sets on disk as a source.

use std::sync::Arc;

use super::Source;
use crate::data::{Batch, Batches, Dataset, Loader, LoaderOptions, Preprocess, Result};
use crate::runtime::IoInfo;

/// A data set, decoded ahead of the models.
pub struct Files {
    name: String,
    dataset: Arc<dyn Dataset>,
    preprocess: Option<Preprocess>,
    options: LoaderOptions,
    batches: Option<Batches>,
}

impl Files {
    /// A data set under a name.
    pub fn new(
        name: String,
        dataset: Box<dyn Dataset>,
        preprocess: Option<Preprocess>,
        options: LoaderOptions,
    ) -> Self {
        Files { name, dataset: dataset.into(), preprocess, options, batches: None }
    }
}

impl Source for Files {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn classes(&self) -> Vec<String> {
        self.dataset.classes().to_vec()
    }

    fn count(&self) -> Option<usize> {
        let all = self.dataset.len();
        Some(self.options.samples.map_or(all, |n| n.min(all)))
    }

    fn start(&mut self, inputs: &[IoInfo]) -> Result<()> {
        let dataset = Arc::clone(&self.dataset);
        let loader = Loader::new(dataset, self.preprocess.as_ref(), inputs, self.options.clone())?;
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
