use serde::{Deserialize, Deserializer, Serialize};

use super::Numbers;

/// Subtracts a mean and divides by a standard deviation, channel by channel. One number is for all channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalize {
    /// One for each channel, or one for all.
    #[serde(deserialize_with = "one_or_more")]
    pub mean: Vec<f32>,
    /// One for each channel, or one for all.
    #[serde(deserialize_with = "one_or_more")]
    pub std: Vec<f32>,
}

/// A list, or a number that stands for a list of one.
fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number or a list of numbers, one for each channel")]
    enum Numbers {
        One(f32),
        More(Vec<f32>),
    }
    Ok(match Numbers::deserialize(from)? {
        Numbers::One(x) => vec![x],
        Numbers::More(all) => all,
    })
}

impl Normalize {
    fn pick(values: &[f32], channel: usize) -> f32 {
        let one = if values.len() == 1 { 0 } else { channel };
        values.get(one).copied().unwrap_or(f32::NAN)
    }
}

impl Numbers for Normalize {
    fn check(&self) -> Result<(), String> {
        let counts = [self.mean.len(), self.std.len()];
        if counts.contains(&0) || counts.iter().all(|n| *n > 1) && counts[0] != counts[1] {
            return Err(format!("{} means and {} deviations do not fit", counts[0], counts[1]));
        }
        match self.mean.iter().all(|m| m.is_finite()) && self.std.iter().all(|s| s.is_normal()) {
            true => Ok(()),
            false => Err("means must be finite, deviations finite and not 0".into()),
        }
    }

    fn channels(&self) -> Option<usize> {
        Some(self.mean.len().max(self.std.len())).filter(|n| *n > 1)
    }

    fn apply(&self, value: f32, channel: usize) -> f32 {
        (value - Self::pick(&self.mean, channel)) / Self::pick(&self.std, channel)
    }
}
