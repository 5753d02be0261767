//! Whether what a run is given fits what the model declares.

use super::{Dim, Error, IoInfo, Result, Tensor};

/// The given tensors in the order of `infos`, once each, with fitting types and shapes. Checked here so that both
/// runtimes refuse the same things in the same words.
pub(super) fn ordered<'t>(
    runtime: &'static str,
    model: &str,
    infos: &[IoInfo],
    given: &[(&str, &'t Tensor)],
) -> Result<Vec<&'t Tensor>> {
    let refuse =
        |input: &str, why: String| Error::Input { runtime, model: model.to_owned(), input: input.to_owned(), why };
    if let Some((i, (name, _))) = given.iter().enumerate().find(|(_, (name, _))| infos.iter().all(|x| x.name != **name))
    {
        let known = infos.iter().map(|x| x.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(refuse(name, format!("(number {}) is not an input of the model, which has: {known}", i + 1)));
    }
    let find = |info: &IoInfo| {
        let mut found = given.iter().filter(|(name, _)| info.name == **name);
        let (_, tensor) = found.next().ok_or_else(|| refuse(&info.name, "is missing".to_owned()))?;
        if found.next().is_some() {
            return Err(refuse(&info.name, "is given twice".to_owned()));
        }
        mismatch(info, tensor).map_or(Ok(*tensor), |why| Err(refuse(&info.name, why)))
    };
    infos.iter().map(find).collect()
}

/// What the model declares of `input`, if `tensor` can be given for it.
pub(super) fn one<'i>(
    runtime: &'static str,
    model: &str,
    infos: &'i [IoInfo],
    input: &str,
    tensor: &Tensor,
) -> Result<&'i IoInfo> {
    let refuse = |why: String| Error::Input { runtime, model: model.to_owned(), input: input.to_owned(), why };
    let found = infos.iter().find(|info| info.name == input);
    let info = found.ok_or_else(|| refuse("is not an input of the model".to_owned()))?;
    mismatch(info, tensor).map_or(Ok(info), |why| Err(refuse(why)))
}

/// Why `tensor` cannot be given for `info`.
fn mismatch(info: &IoInfo, tensor: &Tensor) -> Option<String> {
    if tensor.dtype() != info.dtype {
        return Some(format!("is {}, given {}", info.dtype.format_name(), tensor.dtype().format_name()));
    }
    let dims = info.dims.as_ref()?;
    let fits = |(dim, &size): (&Dim, &usize)| !matches!(dim, Dim::Fixed(fixed) if *fixed != size);
    let shape = tensor.shape();
    let same = dims.len() == shape.len() && dims.iter().zip(shape).all(fits);
    (!same).then(|| format!("has shape {}, given {shape:?}", show(dims)))
}

fn show(dims: &[Dim]) -> String {
    let one = |dim: &Dim| match dim {
        Dim::Fixed(size) => size.to_string(),
        Dim::Symbol(symbol) => symbol.clone(),
        Dim::Unknown => "?".to_owned(),
    };
    format!("[{}]", dims.iter().map(one).collect::<Vec<_>>().join(", "))
}
