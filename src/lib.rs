//! Structural pruning of ONNX models: channels, neurons and heads are removed for real, and the file gets smaller. No
//! training framework is needed: models come from ONNX files and bytes, and go there.
//!
//! ## Load, and look
//!
//! ```
//! use onnx_prune::{Model, Sharing, inspect};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tiny/convnext_ts.onnx");
//! let model = Model::load(path)?;
//! let found = inspect(&model, &Vec::new(), Sharing::Tied)?;
//! for group in &found.groups {
//!     println!("{}: {} channels", group.name, group.size);
//! }
//! # assert!(!found.groups.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! ## Prune
//!
//! [`prune()`] gives a smaller [`Model`] back, with the plan and a [`Report`]. It has been run against the original
//! with the same channels set to zero: what is not the same is an error. [`prune_to`] does this with the very file that
//! it then puts in place.
//!
//! ```
//! use onnx_prune::targets::{Speedup, Targets};
//! use onnx_prune::{Job, Model, PruneRequest, prune};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tiny/convnext_ts.onnx");
//! # let folder = tempfile::tempdir()?;
//! let mut request = PruneRequest::new(Targets::one(&Speedup, 1.5));
//! request.options.protect.push("features.0.*".to_owned());
//! let pruned = prune(&Model::load(path)?, &request, Job::default())?;
//! println!("{:.2}x fewer MACs", pruned.report.speedup);
//! # assert!(pruned.report.speedup >= 1.5);
//! pruned.save(folder.path().join("small.onnx"))?;
//! # Ok(())
//! # }
//! ```
//!
//! What comes out can be pruned, trained or evaluated on, without a file between.
//!
//! ## Evaluate
//!
//! ```
//! use onnx_prune::evaluation::{self, NoPredictions};
//! use onnx_prune::{Batch, InMemory, Job, Label, Model, Tensor, evaluate};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tiny/convnext_ts.onnx");
//! // Two samples that are there already; `data::open` and `data::StoredData` read data sets from disk.
//! let data = InMemory(vec![Batch {
//!     inputs: vec![("input".to_owned(), Tensor::new([2, 3, 32, 32], vec![0.5f32; 2 * 3 * 32 * 32])?)],
//!     targets: vec![Label::Class(0), Label::Class(1)],
//!     ..Batch::default()
//! }]);
//! let request = evaluation::EvaluationRequest::new([Model::load(path)?]);
//! let report = evaluate(&request, Some(&data), &mut NoPredictions, Job::default())?;
//! for figure in &report.models[0].figures {
//!     println!("{}: {:?}", figure.name, figure.value);
//! }
//! # assert!(report.models[0].figures.iter().any(|f| f.name == "top-1"));
//! # Ok(())
//! # }
//! ```
//!
//! ## Watch, and stop
//!
//! Every job takes a [`Job`], which tells an [`Observer`] what happens as serializable [`Event`]s and stops when a
//! [`Cancel`] says so; what was not in place by then is not there. The module [`job`] has an example.
//!
//! ## What is stable
//!
//! What this page and the modules listed below show. Other modules are public for the tests of this crate and for its
//! command line; they may change in any release.

#![warn(missing_docs)]

#[doc(hidden)]
pub mod algebra;
#[doc(hidden)]
pub mod analysis;
pub mod criteria;
pub mod data;
#[doc(hidden)]
pub mod escape;
pub mod evaluation;
#[doc(hidden)]
pub mod files;
pub mod hint;
#[doc(hidden)]
pub mod index;
#[doc(hidden)]
pub mod insert_bn;
#[doc(hidden)]
pub mod inspect;
pub mod job;
#[doc(hidden)]
pub mod latency;
#[doc(hidden)]
pub mod matrix;
#[doc(hidden)]
pub mod metrics;
#[doc(hidden)]
pub mod onnx;
#[doc(hidden)]
pub mod ops;
#[doc(hidden)]
pub mod planning;
pub mod prune;
#[doc(hidden)]
pub mod recovery;
pub mod report;
#[doc(hidden)]
pub mod rewriting;
pub mod runtime;
#[doc(hidden)]
pub mod sensitivity;
#[doc(hidden)]
pub mod statistics;
#[doc(hidden)]
pub mod tensor;

#[doc(inline)]
pub use analysis::{AxisKind, Given, Shapes, Sharing};
#[doc(no_inline)]
pub use data::{Batch, BatchSource, Epoch, InMemory, Label};
#[doc(no_inline)]
pub use evaluation::evaluate;
#[doc(inline)]
pub use insert_bn::{Inserted, insert_bn};
#[doc(inline)]
pub use inspect::inspect;
#[doc(no_inline)]
pub use job::{Cancel, Event, Job, Observer};
#[doc(inline)]
pub use onnx::{Model, SaveOptions};
#[doc(inline)]
pub use planning::{Axes, Keep, Options, Plan, Rescore, Scheme, targets};
#[doc(no_inline)]
pub use prune::{PruneRequest, Pruned, prune, prune_to};
#[doc(inline)]
pub use recovery::Means;
#[doc(no_inline)]
pub use report::{Inspection, Report};
#[doc(inline)]
pub use statistics::Calibration;
#[doc(inline)]
pub use tensor::{DType, Tensor};
