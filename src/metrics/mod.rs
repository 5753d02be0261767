//! How good a model is: figures from its answers and the right ones. Nothing of models, data sets or pruning here.
//!
//! | what | from | figures |
//! | --- | --- | --- |
//! | [`Classification`] | scores and labels | one file per [`Metric`], [`Confusion`] with the figures of each class |
//! | [`detection`] | boxes | average precision as COCO defines it |
//! | [`Agreement`] | outputs of two models | cosine, mean squared error, largest difference, same answers |
//! | [`memory`] | the process | what a model adds to it |

mod agreement;
mod classification;
mod confusion;
pub mod detection;
mod error;
mod figure;
mod loss;
pub mod memory;
mod plot;
mod scores;
mod top_k;

pub use agreement::Agreement;
pub use classification::{Classification, Metric, metrics};
pub use confusion::{ClassFigures, Confusion};
pub use error::{Error, Result};
pub use figure::{Figure, Unit};
pub use plot::{Panel, confusion_plot};
pub use scores::Scores;
pub(crate) use scores::ranking;
pub use top_k::TopK;
