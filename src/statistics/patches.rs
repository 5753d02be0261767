//! Patches of an activation at sampled output positions.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::consumers::Consumer;
use crate::analysis::TensorId;
use crate::index::Id;
use crate::ops::Window;

/// What of a tensor a set of consumers reads alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reading {
    /// The tensor.
    pub(crate) data: TensorId,
    /// The axis that is contracted.
    axis: usize,
    groups: usize,
    /// Contracted positions of one group.
    inputs: usize,
    /// Values under the window.
    kernel: usize,
    window: Option<Window>,
    transposed: Option<Vec<i64>>,
}

/// Which samples a tensor holds.
#[derive(Clone, Copy)]
pub(crate) struct Lot {
    /// Samples, from the first on.
    pub(crate) samples: usize,
    /// Samples with what fills a batch of fixed size up.
    pub(crate) filled: usize,
    /// Samples in earlier batches.
    pub(crate) before: usize,
}

/// Where in each sample to look.
#[derive(Clone, Copy)]
pub(crate) struct Sampler {
    pub(crate) seed: u64,
    pub(crate) positions: usize,
}

impl Sampler {
    /// Positions below `total` for one sample of a tensor: all of them where there are few, ascending.
    fn pick(self, tensor: TensorId, sample: usize, total: usize, wanted: usize) -> Vec<usize> {
        if total <= wanted {
            return (0..total).collect();
        }
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&(tensor.place() as u64).to_le_bytes());
        key[16..24].copy_from_slice(&(sample as u64).to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        let mut picked: Vec<usize> = (0..wanted).map(|_| rng.random_range(0..total)).collect();
        picked.sort_unstable();
        picked
    }
}

impl Reading {
    pub(crate) fn of(c: &Consumer) -> Reading {
        Reading {
            data: c.data,
            axis: c.contraction.data_axis,
            groups: c.contraction.groups,
            inputs: c.inputs,
            kernel: c.kernel,
            window: c.contraction.window.clone(),
            transposed: c.contraction.transposed.clone(),
        }
    }

    /// Numbers in a patch of one group.
    pub(crate) fn width(&self) -> usize {
        self.inputs * self.kernel
    }

    /// Groups of a grouped convolution.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// Patches of each group at sampled positions: rows of [`width`](Self::width) numbers and a 1.
    pub(crate) fn gather(
        &self,
        values: &[f32],
        shape: &[usize],
        lot: Lot,
        sampler: Sampler,
    ) -> Result<Vec<Vec<f32>>, String> {
        let patches = match &self.window {
            None => self.rows(values, shape, lot, sampler).map(|rows| vec![rows]),
            Some(window) => self.windows(values, shape, lot, sampler, window),
        };
        patches.ok_or_else(|| format!("shape {shape:?} is not what its consumer reads"))
    }

    /// Values of some channels of an output of the layer at the positions at which [`gather`](Self::gather) takes its
    /// patches: a row for each.
    pub(crate) fn outputs(
        &self,
        values: &[f32],
        shape: &[usize],
        channels: &[usize],
        lot: Lot,
        sampler: Sampler,
    ) -> Result<Vec<f32>, String> {
        let fail = || format!("shape {shape:?} is not what its layer gives");
        let mut out = Vec::new();
        if self.window.is_none() {
            let width = *shape.last().filter(|w| **w > 0).ok_or_else(fail)?;
            if channels.iter().any(|c| *c >= width) {
                return Err(fail());
            }
            self.each_row(values.len() / width, lot, sampler, |row| {
                out.extend(channels.iter().map(|c| values[row * width + c]));
            });
            return Ok(out);
        }
        let (&[n, depth], spatial) = shape.split_first_chunk::<2>().ok_or_else(fail)?;
        if channels.iter().any(|c| *c >= depth) {
            return Err(fail());
        }
        let area: usize = spatial.iter().product();
        for sample in 0..lot.samples.min(n) {
            for p in sampler.pick(self.data, lot.before + sample, area, sampler.positions) {
                out.extend(channels.iter().map(|c| values[(sample * depth + c) * area + p]));
            }
        }
        Ok(out)
    }

    /// The sampled rows of a tensor of so many; samples lie one after the other, unless their number is no factor of
    /// the rows.
    fn each_row(&self, total: usize, lot: Lot, sampler: Sampler, mut visit: impl FnMut(usize)) {
        let (parts, used) = match lot.filled {
            n if n > 0 && total.is_multiple_of(n) => (n, lot.samples.min(n)),
            _ => (1, 1),
        };
        let per_part = total / parts;
        let wanted = sampler.positions.saturating_mul(lot.samples.div_ceil(used.max(1)));
        for part in 0..used {
            for p in sampler.pick(self.data, lot.before + part, per_part, wanted) {
                visit(part * per_part + p);
            }
        }
    }

    fn rows(&self, values: &[f32], shape: &[usize], lot: Lot, sampler: Sampler) -> Option<Vec<f32>> {
        let width = *shape.last()?;
        if width != self.inputs || self.axis + 1 != shape.len() || self.groups != 1 || width == 0 {
            return None;
        }
        let mut out = Vec::new();
        self.each_row(values.len() / width, lot, sampler, |row| {
            out.extend_from_slice(&values[row * width..(row + 1) * width]);
            out.push(1.0);
        });
        Some(out)
    }

    fn extent(&self, window: &Window, k: usize, input: usize) -> Option<Extent> {
        match &self.transposed {
            Some(more) => Extent::transposed(window, k, input, *more.get(k)?),
            None => Extent::of(window, k, input),
        }
    }

    fn windows(
        &self,
        values: &[f32],
        shape: &[usize],
        lot: Lot,
        sampler: Sampler,
        window: &Window,
    ) -> Option<Vec<Vec<f32>>> {
        let (&[n, channels], spatial) = shape.split_first_chunk::<2>()?;
        if channels != self.inputs * self.groups || spatial.len() != window.kernel.len() || self.axis != 1 {
            return None;
        }
        let extents: Vec<Extent> =
            (0..spatial.len()).map(|k| self.extent(window, k, spatial[k])).collect::<Option<_>>()?;
        let (area, total) = (spatial.iter().product::<usize>(), extents.iter().map(|e| e.outputs).product());
        let mut out = vec![Vec::new(); self.groups];
        let mut offsets = Vec::with_capacity(self.kernel);
        for sample in 0..lot.samples.min(n) {
            for p in sampler.pick(self.data, lot.before + sample, total, sampler.positions) {
                offsets.clear();
                under(&extents, p, &mut offsets);
                for (g, rows) in out.iter_mut().enumerate() {
                    for c in g * self.inputs..(g + 1) * self.inputs {
                        let map = &values[(sample * channels + c) * area..][..area];
                        rows.extend(offsets.iter().map(|o| map.get(*o).copied().unwrap_or(0.0)));
                    }
                    rows.push(1.0);
                }
            }
        }
        Some(out)
    }
}

/// One spatial axis of a convolution at a given input size.
struct Extent {
    input: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    spread: usize,
    /// Padding at the beginning; it may be negative.
    pad: i64,
    /// Whether the input's values are spread by the stride, and the kernel runs over them backwards.
    transposed: bool,
}

impl Extent {
    fn of(w: &Window, k: usize, input: usize) -> Option<Extent> {
        let size = |v: i64| usize::try_from(v).ok().filter(|v| *v > 0);
        let (kernel, stride, spread) = (size(w.kernel[k])?, size(w.strides[k])?, size(w.dilations[k])?);
        let reach = (spread * (kernel - 1) + 1) as i64;
        let (pad, end) = match w.auto_pad.as_str() {
            "SAME_UPPER" | "SAME_LOWER" => {
                let covered = (input.div_ceil(stride) as i64 - 1) * stride as i64 + reach;
                let pads = (covered - input as i64).max(0);
                let begin = if w.auto_pad == "SAME_UPPER" { pads / 2 } else { pads - pads / 2 };
                (begin, pads - begin)
            }
            "VALID" => (0, 0),
            _ => (w.pads[k], w.pads[k + w.kernel.len()]),
        };
        let outputs = size((input as i64 + pad + end - reach) / stride as i64 + 1)?;
        Some(Extent { input, outputs, kernel, stride, spread, pad, transposed: false })
    }

    fn transposed(w: &Window, k: usize, input: usize, more: i64) -> Option<Extent> {
        let size = |v: i64| usize::try_from(v).ok().filter(|v| *v > 0);
        let (kernel, stride, spread) = (size(w.kernel[k])?, size(w.strides[k])?, size(w.dilations[k])?);
        let reach = (spread * (kernel - 1) + 1) as i64;
        let (pad, end) = (w.pads[k], w.pads[k + w.kernel.len()]);
        let outputs = size((input as i64 - 1) * stride as i64 + more + reach - pad - end)?;
        Some(Extent { input, outputs, kernel, stride, spread, pad, transposed: true })
    }
}

/// Where the padding is: beyond the end of every map.
const PADDING: usize = usize::MAX;

/// For output position `p`, the input offset of every place under the window, [`PADDING`] in the padding.
fn under(extents: &[Extent], p: usize, out: &mut Vec<usize>) {
    out.push(0);
    let mut rest = p;
    let mut divisor: usize = extents.iter().map(|e| e.outputs).product();
    for e in extents {
        divisor /= e.outputs;
        let at = rest / divisor;
        rest %= divisor;
        let place = |k: usize| {
            let x = match e.transposed {
                false => (at * e.stride + k * e.spread) as i64 - e.pad,
                true => {
                    let from = at as i64 + e.pad - (k * e.spread) as i64;
                    if from % e.stride as i64 != 0 {
                        return None;
                    }
                    from / e.stride as i64
                }
            };
            usize::try_from(x).ok().filter(|x| *x < e.input)
        };
        let inside = |o: usize, k: usize| (o != PADDING).then(|| place(k)).flatten().map(|x| o * e.input + x);
        *out = out.iter().flat_map(|o| (0..e.kernel).map(move |k| inside(*o, k).unwrap_or(PADDING))).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Sampler = Sampler { seed: 0, positions: 1000 };
    const ONE: Lot = Lot { samples: 1, filled: 1, before: 0 };

    fn conv(inputs: usize, groups: usize, kernel: [i64; 2], strides: i64, pad: i64) -> Reading {
        let window = Window {
            kernel: kernel.to_vec(),
            strides: vec![strides; 2],
            pads: vec![pad; 4],
            dilations: vec![1; 2],
            auto_pad: "NOTSET".to_owned(),
            ceil: false,
        };
        let kernel = (kernel[0] * kernel[1]) as usize;
        Reading { data: TensorId::at(0), axis: 1, groups, inputs, kernel, window: Some(window), transposed: None }
    }

    #[test]
    fn patches_of_a_convolution() {
        let values: Vec<f32> = (1..=8).map(|v| v as f32).collect();
        let rows = conv(2, 1, [2, 2], 2, 1).gather(&values, &[1, 2, 2, 2], ONE, ALL).unwrap();
        // Four positions, each with one value of each channel in a corner.
        #[rustfmt::skip]
        assert_eq!(rows[0], [
            0.0, 0.0, 0.0, 1.0,  0.0, 0.0, 0.0, 5.0,  1.0,
            0.0, 0.0, 2.0, 0.0,  0.0, 0.0, 6.0, 0.0,  1.0,
            0.0, 3.0, 0.0, 0.0,  0.0, 7.0, 0.0, 0.0,  1.0,
            4.0, 0.0, 0.0, 0.0,  8.0, 0.0, 0.0, 0.0,  1.0,
        ]);
        let rows = conv(1, 2, [1, 1], 1, 0).gather(&values, &[1, 2, 2, 2], ONE, ALL).unwrap();
        assert_eq!(rows[1], [5.0, 1.0, 6.0, 1.0, 7.0, 1.0, 8.0, 1.0]);
        assert!(conv(3, 1, [1, 1], 1, 0).gather(&values, &[1, 2, 2, 2], ONE, ALL).is_err());
    }

    #[test]
    fn patches_of_a_transposed_convolution() {
        // One axis: 3 inputs, kernel 3, stride 2, padding 1, one more at the end: 6 outputs. Input i adds w_k to output
        // 2i − 1 + k.
        let mut reading = conv(1, 1, [3, 1], 1, 0);
        if let Some(w) = &mut reading.window {
            (w.strides, w.pads) = (vec![2, 1], vec![1, 0, 1, 0]);
        }
        reading.transposed = Some(vec![1, 0]);
        let rows = reading.gather(&[5.0, 6.0, 7.0], &[1, 1, 3, 1], ONE, ALL).unwrap();
        #[rustfmt::skip]
        assert_eq!(rows[0], [
            0.0, 5.0, 0.0, 1.0,
            6.0, 0.0, 5.0, 1.0,
            0.0, 6.0, 0.0, 1.0,
            7.0, 0.0, 6.0, 1.0,
            0.0, 7.0, 0.0, 1.0,
            0.0, 0.0, 7.0, 1.0,
        ]);
    }

    #[test]
    fn same_padding_follows_the_size() {
        let mut reading = conv(1, 1, [3, 3], 2, 0);
        if let Some(w) = &mut reading.window {
            w.auto_pad = "SAME_UPPER".to_owned();
        }
        // 4 wide, stride 2: one column of padding, at the end.
        let values: Vec<f32> = (0..16).map(|v| v as f32).collect();
        let rows = reading.gather(&values, &[1, 1, 4, 4], ONE, ALL).unwrap();
        assert_eq!(rows[0].len(), 4 * 10);
        assert_eq!(rows[0][..10], [0.0, 1.0, 2.0, 4.0, 5.0, 6.0, 8.0, 9.0, 10.0, 1.0]);
        assert_eq!(rows[0][30..40], [10.0, 11.0, 0.0, 14.0, 15.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn sampled_positions_do_not_depend_on_the_batch() {
        let reading =
            Reading { data: TensorId::at(3), axis: 2, groups: 1, inputs: 2, kernel: 1, window: None, transposed: None };
        let values: Vec<f32> = (0..80).map(|v| v as f32).collect();
        let few = Sampler { seed: 5, positions: 3 };
        let both = reading.gather(&values, &[2, 20, 2], Lot { samples: 2, filled: 2, before: 0 }, few).unwrap();
        // What fills a batch up is not looked at.
        let first = reading.gather(&values, &[2, 20, 2], Lot { samples: 1, filled: 2, before: 0 }, few).unwrap();
        let second = reading.gather(&values[40..], &[1, 20, 2], Lot { before: 1, ..ONE }, few).unwrap();
        assert_eq!(both[0], [first[0].as_slice(), &second[0]].concat());
        assert_eq!(both[0].len(), 2 * 3 * 3);
    }
}
