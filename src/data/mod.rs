//! Data sets: samples on disk, made into batches that a model can be given. Nothing of pruning here.

mod batch;

pub use batch::{Batch, BoundingBox, Frame, Target};
