//! A data set on disk as a source of batches.

use std::sync::Arc;

use super::source::{BatchSource, Epoch, Pass, SourceError};
use super::{DataOrigin, Dataset, Loader, LoaderOptions, Preprocess};
use crate::runtime::IoInfo;

/// A data set, and how it becomes batches, which are decoded ahead of the model.
pub struct StoredData {
    /// The data set.
    pub dataset: Arc<dyn Dataset>,
    /// What happens to images.
    pub preprocess: Option<Preprocess>,
    /// How samples are chosen and batched.
    pub options: LoaderOptions,
    /// What reports say of it.
    pub origin: Option<DataOrigin>,
}

impl StoredData {
    fn loader(&self, inputs: &[IoInfo], options: LoaderOptions) -> Result<Loader, SourceError> {
        Ok(Loader::new(Arc::clone(&self.dataset), self.preprocess.as_ref(), inputs, options)?)
    }
}

impl BatchSource for StoredData {
    fn pass(&self, inputs: &[IoInfo]) -> Result<Pass<'_>, SourceError> {
        Ok(self.loader(inputs, self.options.clone())?.batches().into())
    }

    /// The same samples as in a pass; steps that are random are so anew.
    fn epoch(&self, inputs: &[IoInfo], epoch: Epoch) -> Result<Pass<'_>, SourceError> {
        let mut loader = self.loader(inputs, self.options.clone())?;
        loader.reshuffle(epoch.seed);
        Ok(loader.epoch(epoch.number).into())
    }

    fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    fn origin(&self) -> Option<&DataOrigin> {
        self.origin.as_ref()
    }

    fn count(&self) -> Option<usize> {
        let all = self.dataset.len();
        Some(self.options.samples.map_or(all, |n| n.min(all)))
    }
}
