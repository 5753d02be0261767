//! What second moments say of a group where one node reads it.

use super::consumers::Consumer;
use super::error::Result;
use crate::analysis::Analysis;
use crate::matrix::Moments;

/// A group where one node reads it.
pub(crate) struct GroupReader<'r> {
    /// The model.
    pub analysis: &'r Analysis,
    /// The node.
    pub consumer: &'r Consumer,
    /// Moments of the patches that its weight meets, one for each group of a grouped convolution.
    pub moments: &'r [Moments],
    /// The channel of each contracted position.
    pub channel: &'r [u32],
    /// Channels of the group.
    pub channels: usize,
}

/// The Gram matrix of the channels' shares in what the node gives.
pub(super) fn shares(r: &GroupReader) -> Result<Vec<f64>> {
    let weight = r.consumer.weight(r.analysis)?;
    let entries: Vec<u32> = r.channel.iter().flat_map(|c| std::iter::repeat_n(*c, r.consumer.kernel)).collect();
    let rows = weight.len() / r.moments.len().max(1);
    let mut sum = vec![0.0; r.channels * r.channels];
    for (moments, weight) in r.moments.iter().zip(weight.chunks(rows.max(1))) {
        let own = moments.shares(weight, &entries, r.channels);
        sum.iter_mut().zip(own).for_each(|(s, g)| *s += g);
    }
    Ok(sum)
}

/// For each channel Σ var(x)·‖W_x‖² over its entries x in the patches of the node.
pub(super) fn variances(r: &GroupReader) -> Result<Vec<f64>> {
    let weight = r.consumer.weight(r.analysis)?;
    let (width, rows) = (r.consumer.width(), weight.len() / r.moments.len().max(1));
    let mut out = vec![0.0; r.channels];
    for (moments, weight) in r.moments.iter().zip(weight.chunks(rows.max(1))) {
        let count = moments.count().max(1) as f64;
        for e in 0..width {
            let channel = r.channel.get(e / r.consumer.kernel);
            let Some(to) = channel.and_then(|c| out.get_mut(*c as usize)) else { continue };
            let mean = f64::from(moments.get(width, e)) / count;
            let variance = (f64::from(moments.get(e, e)) / count - mean * mean).max(0.0);
            let norm: f64 = weight.iter().skip(e).step_by(width).map(|w| f64::from(*w).powi(2)).sum();
            *to += variance * norm;
        }
    }
    Ok(out)
}
