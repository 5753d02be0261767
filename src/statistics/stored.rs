//! A data set on disk as calibration data.

use std::sync::Arc;

use super::source::{Batches, Source, SourceError};
use crate::data::{Dataset, Loader, LoaderOptions, Origin, Preprocess};
use crate::runtime::IoInfo;

/// A data set, and how it becomes batches.
pub struct Stored {
    /// The data set.
    pub dataset: Arc<dyn Dataset>,
    /// What happens to pictures.
    pub preprocess: Option<Preprocess>,
    /// How samples are chosen and batched.
    pub options: LoaderOptions,
    /// What reports say of it.
    pub origin: Option<Origin>,
}

impl Source for Stored {
    fn batches(&self, inputs: &[IoInfo]) -> Result<Batches<'_>, SourceError> {
        let dataset = Arc::clone(&self.dataset);
        let loader = Loader::new(dataset, self.preprocess.as_ref(), inputs, self.options.clone())?;
        Ok(Box::new(loader.batches().map(|batch| batch.map_err(Into::into))))
    }

    fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }
}
