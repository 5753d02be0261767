//! Running ONNX files: one trait, two runtimes, and measuring how long a run takes. Nothing of pruning here.
//!
//! | runtime | what it is | when it serves |
//! | --- | --- | --- |
//! | `tract` | pure Rust, built in (feature `tract`) | always there |
//! | `onnxruntime` | any libonnxruntime found at run time (feature `ort`) | faster, covers every standard operator |
//!
//! ```no_run
//! use onnx_prune::runtime::{self, Choice, SessionOptions};
//! # fn main() -> runtime::Result<()> {
//! let selected = runtime::select(Choice::Auto, None)?;
//! let mut session = selected.runtime.open("model.onnx".as_ref(), &SessionOptions::default())?;
//! let inputs = runtime::random_inputs(session.inputs(), &|_, _, _| 1, 0, 0..10)?;
//! for (name, tensor) in session.run(&inputs)? {
//!     println!("{name} {:?}", tensor.shape());
//! }
//! # Ok(())
//! # }
//! ```

mod bound;
mod device;
#[cfg(feature = "ort")]
mod elf;
mod error;
mod fill;
#[cfg(any(feature = "tract", feature = "ort"))]
mod given;
pub mod latency;
pub mod library;
mod limit;
mod log;
mod memory;
mod on_demand;
#[cfg(feature = "ort")]
mod ort;
#[cfg(feature = "ort")]
mod ort_bound;
#[cfg(feature = "ort")]
mod ort_device;
#[cfg(feature = "ort")]
mod ort_library;
mod python;
mod quiet;
mod random;
mod ready;
mod samples;
mod select;
mod session;
#[cfg(feature = "tract")]
pub(crate) mod tract;
#[cfg(feature = "tract")]
mod tract_branches;
#[cfg(feature = "tract")]
mod tract_broadcast;
#[cfg(feature = "tract")]
mod tract_patches;
mod trust;
mod view;

pub use crate::tensor::{Data, Tensor};
pub use bound::Bound;
pub use device::Device;
pub use error::{Error, Result};
pub use fill::{Fill, UnknownFill};
pub use limit::generous_limit;
pub use log::{Log, Quiet, set_log};
pub use memory::open_model;
pub use on_demand::OnDemand;
pub use quiet::quietly;
pub use random::random_inputs;
pub use ready::ready;
pub use samples::{fixed_batch, run_samples};
pub use select::{Choice, LoadedLibrary, Selected, loaded_library, select};
pub use session::{Dim, IoInfo, Runtime, See, Session, SessionOptions};
pub use view::View;
