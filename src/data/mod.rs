//! Data sets: samples on disk, made into batches that a model can be given. Nothing of pruning here.
//!
//! [`open`] finds out what lies at a path and gives a [`Dataset`]; a [`Preprocess`] declares what happens to each
//! sample; a [`Loader`] decodes ahead of the model on all cores and gives [`Batch`]es.
//!
//! ```no_run
//! # #[cfg(feature = "data")]
//! # fn run(session: &dyn onnx_prune::runtime::Session) -> onnx_prune::data::Result<()> {
//! use onnx_prune::data::{self, Loader, LoaderOptions, OpenOptions, Preprocess};
//! let dataset = data::open("cifar10-jpeg.tar.gz".as_ref(), &OpenOptions::default())?;
//! let loader = Loader::new(dataset, Some(&Preprocess::Cifar), session.inputs(), LoaderOptions::default())?;
//! for batch in loader.batches() {
//!     let batch = batch?;
//!     println!("{} samples", batch.len());
//! }
//! # Ok(())
//! # }
//! ```

mod batch;

pub use batch::{Batch, BoundingBox, Frame, Label};

#[cfg(feature = "data")]
mod ahead;
#[cfg(feature = "data")]
mod convert;
#[cfg(feature = "data")]
mod dataset;
#[cfg(feature = "data")]
mod decode;
mod error;
#[cfg(feature = "data")]
mod fit;
#[cfg(feature = "data")]
mod formats;
#[cfg(feature = "data")]
mod given;
#[cfg(feature = "data")]
mod guard;
#[cfg(feature = "data")]
mod image;
mod leaves;
#[cfg(feature = "data")]
mod linear;
#[cfg(feature = "data")]
mod loader;
#[cfg(feature = "data")]
mod open;
mod origin;
#[cfg(feature = "data")]
mod pipeline;
#[cfg(feature = "data")]
mod prepare;
#[cfg(feature = "data")]
mod resample;
mod source;
#[cfg(feature = "data")]
mod split;
#[cfg(feature = "data")]
pub mod steps;
#[cfg(feature = "data")]
mod stored;
#[cfg(feature = "data")]
mod tokens;
#[cfg(feature = "data")]
mod tree;

pub use error::{Error, Result};
pub use leaves::dead_leaves;
pub use origin::DataOrigin;
pub use source::{BatchSource, Epoch, InMemory, LeftOut, Pass, SourceError};
#[cfg(feature = "data")]
pub use {
    dataset::{Content, Dataset, Sample},
    decode::decode,
    fit::check_classes,
    formats::known as formats,
    given::tensors,
    image::Image,
    loader::{BadSample, Batches, Loader, LoaderOptions},
    open::{Limits, OpenOptions, open},
    pipeline::{AxisLayout, Pipeline, Preprocess, Tokens},
    resample::{Interpolation, resize},
    split::{Purpose, Split},
    stored::StoredData,
};
