//! The formats: one file each, one line in [`formats`]. A format looks at the names of files to tell whether it is
//! meant, so the table's order decides where two could be.

mod arrays;
mod cifar;
mod coco;
mod idx;
mod image_folder;
mod json_lines;
mod numpy;
mod onnx_test;
mod parquet;
mod safetensors;
mod webdataset;

use std::sync::Arc;

use super::Result;
use super::dataset::Dataset;
use super::split::Wanted;
use super::tree::Tree;
use crate::runtime::Tensor;

/// A way in which data sets lie on disk.
pub(super) trait Format: Sync {
    /// Short name.
    fn name(&self) -> &'static str;

    /// What it looks like on disk, in a few words.
    fn summary(&self) -> &'static str;

    /// Opens what lies there; `None` if it is of another format.
    fn open(&self, tree: &Arc<Tree>, wanted: &Wanted) -> Result<Option<Box<dyn Dataset>>>;
}

/// Every format, in the order in which they are tried.
pub(super) fn formats() -> &'static [&'static dyn Format] {
    &[
        &onnx_test::OnnxTest,
        &coco::Coco,
        &parquet::Parquet,
        &json_lines::JsonLines,
        &idx::Idx,
        &cifar::Cifar,
        &numpy::Numpy,
        &safetensors::SafeTensors,
        &webdataset::WebDataset,
        &image_folder::ImageFolder,
    ]
}

/// Names and looks of all formats, for help texts.
pub fn known() -> impl Iterator<Item = (&'static str, &'static str)> {
    formats().iter().map(|f| (f.name(), f.summary()))
}

/// Tensors by name.
pub type Tensors = Vec<(String, Tensor)>;

pub(super) use numpy::{npy_tensor, npz_tensors};
pub(super) use onnx_test::pb_tensor;

/// Whether every class is one of `count`.
fn check_class(class: i64, count: usize) -> Result<usize, String> {
    let index = usize::try_from(class).ok().filter(|c| *c < count);
    index.ok_or_else(|| match count {
        MOST_CLASSES => format!("{class} is no class"),
        _ => format!("class {class} is not one of {count}"),
    })
}

/// Labels beyond this are no classes.
const MOST_CLASSES: usize = 1 << 20;
