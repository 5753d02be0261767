use serde::{Deserialize, Serialize};

use super::Numbers;

/// Divides every value: 255 makes bytes into numbers from 0 to 1, as torchvision's `ToTensor` does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The divisor.
    pub divide: f32,
}

impl Numbers for Scale {
    fn check(&self) -> Result<(), String> {
        match self.divide.is_normal() {
            true => Ok(()),
            false => Err(format!("dividing by {} gives no numbers", self.divide)),
        }
    }

    fn apply(&self, value: f32, _: usize) -> f32 {
        value / self.divide
    }
}
