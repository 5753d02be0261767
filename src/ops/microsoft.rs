//! Operators of onnxruntime's own domain, which its graph optimizer writes.

use super::opaque::Frozen;
use super::table::Domain;

/// By name.
pub static TABLE: &Domain = &[("Rfft", &Frozen("transform along an axis"))];
