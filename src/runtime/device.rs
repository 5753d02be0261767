//! Where a model runs.

use super::{Error, Result};
use serde::{Deserialize, Serialize};

/// Where a model runs. All but the processor need onnxruntime, built with the execution provider of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA card, by its number.
    Cuda(u32),
    /// An NVIDIA card, by its number, through TensorRT; what that cannot run goes to CUDA.
    TensorRt(u32),
    /// An AMD card, by its number.
    MiGraphX(u32),
    /// A card under Windows, by its number.
    DirectMl(u32),
    /// Whatever Apple's Core ML chooses.
    CoreMl,
    /// Whatever Intel's OpenVINO chooses.
    OpenVino,
}

/// The device of that number.
type Numbered = fn(u32) -> Device;

/// Names of devices; those with a number may be followed by `:1`, `:2` and so on.
const NAMES: &[(&str, Numbered)] = &[
    ("cpu", |_| Device::Cpu),
    ("cuda", Device::Cuda),
    ("tensorrt", Device::TensorRt),
    ("migraphx", Device::MiGraphX),
    ("directml", Device::DirectMl),
    ("coreml", |_| Device::CoreMl),
    ("openvino", |_| Device::OpenVino),
];

impl Device {
    /// The name without a number.
    pub fn name(self) -> &'static str {
        let own = |make: &fn(u32) -> Device| make(self.number().unwrap_or(0)) == self;
        NAMES.iter().find(|(_, make)| own(make)).map_or("", |(name, _)| name)
    }

    /// Which of several cards; `None` where there is nothing to choose.
    pub fn number(self) -> Option<u32> {
        match self {
            Device::Cuda(n) | Device::TensorRt(n) | Device::MiGraphX(n) | Device::DirectMl(n) => Some(n),
            Device::Cpu | Device::CoreMl | Device::OpenVino => None,
        }
    }

    /// The processor, or an error that names `runtime`: for runtimes that know nothing else.
    #[cfg(feature = "tract")]
    pub(super) fn only_cpu(self, runtime: &'static str) -> Result<()> {
        if self == Device::Cpu {
            return Ok(());
        }
        let why = format!("{runtime} runs on the processor only; onnxruntime with this provider is needed");
        Err(Error::Device { device: self.to_string(), why })
    }
}

impl From<Device> for String {
    fn from(device: Device) -> String {
        device.to_string()
    }
}

impl TryFrom<String> for Device {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.number() {
            Some(n) => write!(f, "{}:{n}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

impl std::str::FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number)),
            None => (text, None),
        };
        let name = name.to_ascii_lowercase();
        let refuse = |why: String| Error::Device { device: text.to_owned(), why };
        let Some((_, make)) = NAMES.iter().find(|(known, _)| *known == name) else {
            let known = NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(refuse(format!("it is none of {known}")));
        };
        let Some(number) = number else { return Ok(make(0)) };
        let n = number.parse().map_err(|_| refuse(format!("`{number}` is no number of a card")))?;
        let device = make(n);
        if device.number().is_none() {
            return Err(refuse(format!("{name} takes no number")));
        }
        Ok(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for (name, make) in NAMES {
            assert_eq!(name.parse::<Device>().unwrap(), make(0));
            assert_eq!(make(0).name(), *name);
            assert_eq!(make(3).to_string().parse::<Device>().unwrap(), make(3));
        }
        assert_eq!("CUDA:1".parse::<Device>().unwrap(), Device::Cuda(1));
        assert_eq!("cuda:1".parse::<Device>().unwrap(), Device::Cuda(1));
        for bad in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "coreml:1"] {
            let message = bad.parse::<Device>().unwrap_err().to_string();
            assert!(message.contains(&format!("`{bad}`")), "{message}");
        }
    }
}
