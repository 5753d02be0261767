//! Any number of samples through a model, also one that takes a fixed number at a time.

use super::{Dim, Error, IoInfo, Result, Session, Tensor};

/// How many samples a model takes at a time, if it says so: the size that the first axis of all its inputs has.
pub fn fixed_batch(inputs: &[IoInfo]) -> Option<usize> {
    let first = |info: &IoInfo| match info.dims.as_ref()?.first()? {
        Dim::Fixed(size) => Some(*size),
        _ => None,
    };
    let size = first(inputs.first()?)?;
    inputs.iter().all(|info| first(info) == Some(size)).then_some(size)
}

/// Runs samples that stand along the first axis of every input. A model with a fixed batch is run as often as it
/// takes; the last run is filled up with copies of the last sample, whose results are dropped.
///
/// # Errors
/// Those of [`Session::run`], and [`Error::Run`] when an output of such a model does not have the samples along its
/// first axis.
pub fn run_samples(session: &mut dyn Session, inputs: &[(String, Tensor)]) -> Result<Vec<(String, Tensor)>> {
    let count = inputs.first().and_then(|(_, t)| t.shape().first().copied());
    let (Some(batch), Some(count)) = (fixed_batch(session.inputs()), count) else { return session.run(inputs) };
    if batch == count || batch == 0 || count == 0 {
        return session.run(inputs);
    }
    let mut all: Vec<(String, Tensor)> = Vec::new();
    for start in (0..count).step_by(batch) {
        let end = count.min(start + batch);
        let part = |(name, tensor): &(String, Tensor)| Ok((name.clone(), filled(tensor, start, end, batch)?));
        let given = inputs.iter().map(part).collect::<Result<Vec<_>>>()?;
        let outputs = session.run(&given)?;
        let wanted = outputs.into_iter().map(|(name, tensor)| match tensor.shape().first() {
            Some(rows) if *rows == batch => Ok((name, tensor.rows(0..end - start)?)),
            _ => Err(Error::Tensor {
                why: format!("output `{name}` of shape {:?} does not have {batch} samples", tensor.shape()),
            }),
        });
        let wanted = wanted.collect::<Result<Vec<_>>>()?;
        all = if all.is_empty() {
            wanted
        } else {
            let join = |((name, a), (_, b)): ((String, Tensor), (String, Tensor))| Ok((name, a.append(&b)?));
            all.into_iter().zip(wanted).map(join).collect::<Result<_>>()?
        };
    }
    Ok(all)
}

fn filled(tensor: &Tensor, start: usize, end: usize, batch: usize) -> Result<Tensor> {
    let mut part = tensor.rows(start..end)?;
    let last = tensor.rows(end - 1..end)?;
    for _ in end - start..batch {
        part = part.append(&last)?;
    }
    Ok(part)
}
