//! Whole tensors from files, by the name of a model's input: no samples, nothing is split off.

use std::path::Path;

use super::formats::{self, Tensors};
use super::open::Limits;
use super::tree::Tree;
use super::{Error, Result};

/// Reads the tensors at `path`: a NumPy `.npz` or `.npy`, an ONNX `.pb`, or a folder of `.npy` and `.pb` files. A file
/// in a folder is called like the input, or `input_0` for the first; `inputs` are the names in order.
///
/// # Errors
/// When nothing is there, a file is broken, or is called like no input.
pub fn tensors(path: &Path, inputs: &[&str]) -> Result<Tensors> {
    let tree = Tree::open(path, &Limits::default())?;
    let mut out = Tensors::new();
    for entry in tree.entries() {
        let label = tree.label(&entry.path);
        let found = if entry.has_extension(&["npz"]) {
            Ok(formats::npz_tensors(&label, tree.read(entry)?, tree.budget())?)
        } else if entry.has_extension(&["npy"]) {
            formats::npy_tensor(tree.read(entry)?).map(|t| vec![(entry.stem().to_owned(), t)])
        } else if entry.has_extension(&["pb"]) && !entry.stem().starts_with("output_") {
            formats::pb_tensor(tree.read(entry)?).map(|(name, t)| {
                let known = inputs.contains(&name.as_str());
                vec![(if known { name } else { entry.stem().to_owned() }, t)]
            })
        } else {
            continue;
        };
        for (name, tensor) in found.map_err(|why| Error::broken(label.clone(), why))? {
            let numbered = name.strip_prefix("input_").and_then(|n| inputs.get(n.parse::<usize>().ok()?)).copied();
            let exact = inputs.iter().find(|i| **i == name).copied();
            let only = (inputs.len() == 1 && tree.is_single).then(|| inputs[0]);
            let Some(input) = exact.or(numbered).or(only) else {
                let why = format!("'{name}' is no input of the model, which has {}", inputs.join(", "));
                return Err(Error::broken(label, why));
            };
            out.push((input.to_owned(), tensor));
        }
    }
    if out.is_empty() { Err(Error::broken(tree.label(""), "it holds no .npz, .npy or .pb")) } else { Ok(out) }
}
