//! What long jobs have in common: they tell an [`Observer`] what happens, as typed [`Event`]s, and stop when their
//! [`Cancel`] says so. Nothing of models here.
//!
//! ```
//! use onnx_prune::job::{Cancel, Event, Job, Stage, Unit};
//! use std::sync::Mutex;
//!
//! let seen = Mutex::new(Vec::new());
//! let observer = |event: &Event| seen.lock().unwrap().push(event.clone());
//! let cancel = Cancel::new();
//! let job = Job::observed_by(&observer).cancelled_by(&cancel);
//!
//! // What a job does on its way:
//! job.stage(Stage::Evaluate)?;
//! job.progress(32, Some(64), Unit::Samples)?;
//! assert_eq!(
//!     serde_json::to_string(&seen.lock().unwrap()[1])?,
//!     r#"{"event":"progress","done":32,"total":64,"unit":"samples"}"#
//! );
//!
//! cancel.cancel();
//! assert!(job.progress(64, Some(64), Unit::Samples).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cancel;
mod event;
mod observer;

pub use cancel::{Cancel, Cancelled, is_cancelled};
pub use event::{Event, Figure, FigureName, Progress, Stage, Unit};
pub use observer::{Job, Observer, Silent};
