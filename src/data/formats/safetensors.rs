use std::sync::Arc;

use ::safetensors::SafeTensors as File;

use super::Format;
use super::arrays::{self, Array};
use crate::data::dataset::Dataset;
use crate::data::split::{self, Wanted};
use crate::data::tree::Tree;
use crate::data::{Error, Result};

/// Tensors in `.safetensors` files, with the names that NumPy arrays have: `x`, `y` or `labels`, names of inputs,
/// `output_NAME`, a split before or behind.
pub struct SafeTensors;

impl Format for SafeTensors {
    fn name(&self) -> &'static str {
        "safetensors"
    }

    fn summary(&self) -> &'static str {
        "safetensors with such names"
    }

    fn open(&self, tree: &Arc<Tree>, wanted: &Wanted) -> Result<Option<Box<dyn Dataset>>> {
        let mut found = Vec::new();
        for entry in tree.entries().iter().filter(|e| e.has_extension(&["safetensors"])) {
            let fail = |why: String| Error::broken(tree.label(&entry.path), why);
            let bytes = tree.read(entry)?;
            let file = File::deserialize(&bytes).map_err(|e| fail(e.to_string()))?;
            for (name, tensor) in file.iter() {
                let Some(dtype) = crate::tensor::safetensors::dtype(tensor.dtype()) else {
                    return Err(fail(format!("'{name}' has elements of {:?}, which are not read", tensor.dtype())));
                };
                let data = bytes.slice_ref(tensor.data());
                let array = Array::new(dtype, tensor.shape().to_vec(), data).map_err(fail)?;
                let stem = entry.stem();
                let name = if split::is_split(stem) { format!("{stem}/{name}") } else { name.to_owned() };
                found.push((name, array));
            }
        }
        if found.is_empty() {
            return Ok(None);
        }
        // The order in a file is that of a hash.
        found.sort_by(|a, b| a.0.cmp(&b.0));
        arrays::dataset(tree.root.display().to_string(), found, wanted).map(Some)
    }
}
