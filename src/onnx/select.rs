//! Removing and zeroing positions along the axes of a tensor, on its bytes.

use bytes::Bytes;
use rayon::prelude::*;

use super::dtype::DType;
use super::narrow::{packed, unpacked};
use super::proto::TensorProto;
use super::tensor::{Storage, dtype, product, shape, storage};
use super::{Error, Result};

/// Outputs of fewer entries are filled by one thread.
const PARALLEL: usize = 1 << 20;

/// Keeps the given positions along each axis (`None` keeps all), in the given order, in the same element type and
/// the same storage (elements narrower than a byte in `raw_data`). Errors on positions out of range.
pub fn take(t: &TensorProto, keep: &[Option<&[usize]>]) -> Result<TensorProto> {
    let dims = checked(t, keep)?;
    let is_all = |(k, &d): (&Option<&[usize]>, &usize)| k.is_none_or(|k| k.len() == d && k.iter().copied().eq(0..d));
    if keep.iter().zip(&dims).all(is_all) {
        return Ok(t.clone());
    }
    let dtype = dtype(t)?;
    let kept: Vec<usize> = keep.iter().zip(&dims).map(|(k, &d)| k.map_or(d, <[usize]>::len)).collect();
    let mut out = shell(t);
    out.dims = kept.iter().map(|&d| d as i64).collect();
    let unit = dtype.entries_for(1).unwrap_or(1);
    let gather = |unit| Gather::new(&dims, keep, &kept, unit).ok_or_else(|| Error::tensor(t.name(), "overflow"));
    match storage(t)? {
        _ if dtype.bits() % 8 != 0 => out.raw_data = Some(packed(&gather(1)?.run(&unpacked(t)?), dtype.bits())),
        Storage::Raw(raw) => out.raw_data = Some(Bytes::from(gather(dtype.bits() / 8)?.run(raw))),
        Storage::Float(v) => out.float_data = gather(unit)?.run(v),
        Storage::Int32(v) => out.int32_data = gather(unit)?.run(v),
        Storage::Int64(v) => out.int64_data = gather(unit)?.run(v),
        Storage::Uint64(v) => out.uint64_data = gather(unit)?.run(v),
        Storage::Double(v) => out.double_data = gather(unit)?.run(v),
        Storage::Strings(v) => out.string_data = gather(unit)?.run(v),
    }
    Ok(out)
}

/// A copy in which every element whose position along any axis is listed is zero. Errors on positions out of range
/// and on types without a zero (strings, float8e8m0).
pub fn zero(t: &TensorProto, gone: &[Option<&[usize]>]) -> Result<TensorProto> {
    let dims = checked(t, gone)?;
    if gone.iter().all(|g| g.is_none_or(<[usize]>::is_empty)) {
        return Ok(t.clone());
    }
    let dtype = dtype(t)?;
    if matches!(dtype, DType::String | DType::Float8e8m0) {
        return Err(Error::tensor(t.name(), format!("{} has no zero", dtype.name())));
    }
    let mut out = shell(t);
    let unit = dtype.entries_for(1).unwrap_or(1);
    match storage(t)? {
        _ if dtype.bits() % 8 != 0 => out.raw_data = Some(packed(&clear(&unpacked(t)?, &dims, gone, 1), dtype.bits())),
        Storage::Raw(raw) => out.raw_data = Some(Bytes::from(clear(raw, &dims, gone, dtype.bits() / 8))),
        Storage::Float(v) => out.float_data = clear(v, &dims, gone, unit),
        Storage::Int32(v) => out.int32_data = clear(v, &dims, gone, unit),
        Storage::Int64(v) => out.int64_data = clear(v, &dims, gone, unit),
        Storage::Uint64(v) => out.uint64_data = clear(v, &dims, gone, unit),
        Storage::Double(v) => out.double_data = clear(v, &dims, gone, unit),
        Storage::Strings(_) => return Err(Error::tensor(t.name(), "strings have no zero")),
    }
    Ok(out)
}

/// Whether all elements are equal.
pub fn is_uniform(t: &TensorProto) -> bool {
    fn all<T: PartialEq>(v: &[T]) -> bool {
        v.windows(2).all(|w| w[0] == w[1])
    }
    let Ok(dtype) = dtype(t) else { return false };
    match storage(t) {
        Ok(Storage::Raw(raw)) => raw.chunks((dtype.bits() / 8).max(1)).is_sorted_by(|a, b| a == b),
        Ok(Storage::Float(v)) => all(v),
        Ok(Storage::Int32(v)) => all(v),
        Ok(Storage::Int64(v)) => all(v),
        Ok(Storage::Uint64(v)) => all(v),
        Ok(Storage::Double(v)) => all(v),
        Ok(Storage::Strings(v)) => all(v),
        Err(_) => false,
    }
}

/// Everything of a tensor but its elements.
fn shell(t: &TensorProto) -> TensorProto {
    TensorProto {
        dims: t.dims.clone(),
        data_type: t.data_type,
        name: t.name.clone(),
        doc_string: t.doc_string.clone(),
        raw_data: t.raw_data.as_ref().map(|_| Bytes::new()),
        data_location: t.data_location,
        metadata_props: t.metadata_props.clone(),
        ..TensorProto::default()
    }
}

fn checked(t: &TensorProto, positions: &[Option<&[usize]>]) -> Result<Vec<usize>> {
    let dims = shape(t)?;
    if positions.len() != dims.len() {
        let why = format!("{} axes are given for {} dimensions", positions.len(), dims.len());
        return Err(Error::tensor(t.name(), why));
    }
    for (axis, (p, &d)) in positions.iter().zip(&dims).enumerate() {
        if let Some(bad) = p.unwrap_or_default().iter().find(|&&i| i >= d) {
            return Err(Error::tensor(t.name(), format!("position {bad} is outside of axis {axis} of size {d}")));
        }
    }
    storage(t)?;
    Ok(dims)
}

/// One axis of a gather, sizes in entries.
struct Axis {
    /// Kept stretches: first position, length.
    runs: Vec<(usize, usize)>,
    /// Kept positions in order, for the axes outside of the innermost cut one.
    positions: Vec<usize>,
    source_stride: usize,
    target_stride: usize,
}

/// The axes down to the innermost one that is cut; everything inside of it is copied in one piece.
struct Gather {
    axes: Vec<Axis>,
    total: usize,
}

impl Gather {
    fn new(dims: &[usize], keep: &[Option<&[usize]>], kept: &[usize], unit: usize) -> Option<Self> {
        let innermost = keep.iter().rposition(Option::is_some)?;
        let stride = |sizes: &[usize]| product(sizes)?.checked_mul(unit);
        let axes = (0..=innermost).map(|a| {
            let positions: Vec<usize> = keep[a].map_or_else(|| (0..dims[a]).collect(), <[usize]>::to_vec);
            Some(Axis {
                runs: runs(&positions),
                positions,
                source_stride: stride(&dims[a + 1..])?,
                target_stride: stride(&kept[a + 1..])?,
            })
        });
        Some(Gather { axes: axes.collect::<Option<_>>()?, total: stride(kept)? })
    }

    fn run<T: Clone + Default + Send + Sync>(&self, source: &[T]) -> Vec<T> {
        let mut out = vec![T::default(); self.total];
        if self.total > 0 {
            fill(&self.axes, source, &mut out);
        }
        out
    }
}

fn runs(positions: &[usize]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &p in positions {
        match runs.last_mut() {
            Some((start, len)) if *start + *len == p => *len += 1,
            _ => runs.push((p, 1)),
        }
    }
    runs
}

fn fill<T: Clone + Send + Sync>(axes: &[Axis], source: &[T], out: &mut [T]) {
    let Some((axis, inner)) = axes.split_first() else { return };
    if inner.is_empty() {
        let mut rest = out;
        for &(start, len) in &axis.runs {
            let (target, tail) = rest.split_at_mut(len * axis.source_stride);
            target.clone_from_slice(&source[start * axis.source_stride..(start + len) * axis.source_stride]);
            rest = tail;
        }
        return;
    }
    let one = |(target, &p): (&mut [T], &usize)| {
        fill(inner, &source[p * axis.source_stride..(p + 1) * axis.source_stride], target);
    };
    if out.len() >= PARALLEL && axis.positions.len() > 1 {
        out.par_chunks_mut(axis.target_stride).zip(&axis.positions).for_each(one);
    } else {
        out.chunks_mut(axis.target_stride).zip(&axis.positions).for_each(one);
    }
}

fn clear<T: Clone + Default>(source: &[T], dims: &[usize], gone: &[Option<&[usize]>], unit: usize) -> Vec<T> {
    let mut out = source.to_vec();
    for (axis, positions) in gone.iter().enumerate() {
        let inner = dims[axis + 1..].iter().product::<usize>() * unit;
        let Some(positions) = positions else { continue };
        if inner == 0 || dims[axis] == 0 {
            continue;
        }
        for slab in out.chunks_mut(inner * dims[axis]) {
            for (start, len) in runs(positions) {
                slab[start * inner..(start + len) * inner].fill(T::default());
            }
        }
    }
    out
}
