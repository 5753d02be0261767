//! Judging a detector: its raw output becomes boxes, and these are compared with the true ones.

mod average_precision;
mod decode;
mod matching;
mod overlap;
mod suppress;

pub use average_precision::{ClassPrecision, Coco, CocoFigures};
pub use decode::{DecodeOptions, decode};
pub use suppress::suppress;

/// Something that a detector found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Left, top, width, height.
    pub xywh: [f64; 4],
    /// Index of the class.
    pub class: usize,
    /// How sure the detector is; only the order matters.
    pub score: f64,
}

/// Something that is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// Left, top, width, height.
    pub xywh: [f64; 4],
    /// Index of the class.
    pub class: usize,
    /// Whether it is a crowd: it may be found any number of times, and need not be.
    pub crowd: bool,
    /// Its area, which of small, medium and large goes by: that of the outline, where the data set gives one.
    pub area: f64,
}
