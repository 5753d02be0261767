//! Token ids: one length for all, and the inputs that go with them.

use super::convert::convert;
use super::fit::dtype;
use super::pipeline::Tokens;
use super::prepare::SamplePart;
use super::{Error, Result};
use crate::onnx::DType;
use crate::runtime::{Dim, IoInfo, Tensor};

/// The name that token ids have in data and in most models.
const IDS: &str = "input_ids";

/// What each input gets: by name where the data has it, else by what its name says (a mask is 1 over tokens and 0
/// behind them, segments are 0, positions count up); an input that remains gets the token ids.
pub(super) fn parts(
    given: Vec<(String, Vec<i64>)>,
    inputs: &[IoInfo],
    options: &Tokens,
    name: &str,
) -> Result<Vec<SamplePart>> {
    let find = |wanted: &str| given.iter().find(|(n, _)| n == wanted).map(|(_, values)| values);
    let Some(ids) = find(IDS).or_else(|| given.first().map(|(_, values)| values)) else {
        return Err(Error::sample(name, "it has no token ids"));
    };
    if let Some((other, values)) = given.iter().find(|(_, values)| values.len() != ids.len()) {
        let why = format!("'{other}' has {} values for {} token ids", values.len(), ids.len());
        return Err(Error::sample(name, why));
    }
    let mut taken = false;
    let one = |input: &IoInfo| {
        let says = |word: &str| input.name.to_lowercase().contains(word);
        let (values, pad) = match find(&input.name) {
            Some(values) if input.name == IDS => (values.clone(), options.pad),
            Some(values) => (values.clone(), 0),
            None if says("mask") => (vec![1; ids.len()], 0),
            None if says("token_type") || says("segment") => (vec![0; ids.len()], 0),
            None if says("position") => ((0..ids.len() as i64).collect(), 0),
            None if !std::mem::replace(&mut taken, true) => (ids.clone(), options.pad),
            None => {
                let why = format!("nothing is known for input `{}`: give it in the data under that name", input.name);
                return Err(Error::fit(why));
            }
        };
        let dtype = dtype(input)?;
        let length = match input.dims.as_deref() {
            None => None,
            Some([_, Dim::Fixed(n)]) => Some(*n),
            Some([_, _]) => None,
            Some(dims) => {
                return Err(Error::fit(format!("input `{}` has {} axes, tokens have 2", input.name, dims.len())));
            }
        };
        if let Some((declared, fixed)) = options.length.zip(length).filter(|(a, b)| a != b) {
            let why = format!("tokens are brought to length {declared}, input `{}` takes {fixed}", input.name);
            return Err(Error::fit(why));
        }
        Ok(SamplePart::Sequence { values, pad, length: length.or(options.length), dtype })
    };
    inputs.iter().map(one).collect()
}

/// Sequences cut or filled up to one length; tensors as they are.
pub(super) fn leveled(parts: Vec<SamplePart>) -> Result<Vec<Tensor>, String> {
    let longest = parts.iter().map(|p| match p {
        SamplePart::Sequence { values, .. } => values.len(),
        SamplePart::Tensor(_) => 0,
    });
    let longest = longest.max().unwrap_or_default();
    let level = |part| match part {
        SamplePart::Tensor(tensor) => Ok(tensor),
        SamplePart::Sequence { mut values, pad, length, dtype } => {
            values.resize(length.unwrap_or(longest), pad);
            let tensor = Tensor::new([values.len()], values).map_err(|e| e.to_string())?;
            integer(tensor, dtype)
        }
    };
    parts.into_iter().map(level).collect()
}

fn integer(tensor: Tensor, dtype: DType) -> Result<Tensor, String> {
    convert(tensor, dtype).map_err(|why| format!("tokens: {why}"))
}
