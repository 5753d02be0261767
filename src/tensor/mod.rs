//! Tensors and their element types. No file format and no runtime here: both convert to and from these.

mod element;
mod error;
mod random;
mod raw;
mod rows;
#[cfg(feature = "data")]
pub mod safetensors;
mod values;

pub use element::{DType, UnknownType};
pub use error::{Error, Result};
pub(crate) use values::element_count;
#[cfg(feature = "ort")]
pub(crate) use values::for_each_type;
pub use values::{Data, Tensor};
