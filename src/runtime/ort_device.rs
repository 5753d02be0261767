//! Execution providers: what onnxruntime needs to run elsewhere than on the processor.

use super::{Device, Error, Result};
use ::ort::ep::{self, ExecutionProviderDispatch};
use ::ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use std::path::{Path, PathBuf};

/// The execution providers of `device`, in the order in which nodes are offered to them; the processor takes what
/// they leave. Each fails instead of leaving everything to the processor without a word.
pub(super) fn providers(device: Device) -> Vec<ExecutionProviderDispatch> {
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let cuda = |n| ep::CUDA::default().with_device_id(number(n)).build();
    let chosen = match device {
        Device::Cpu => Vec::new(),
        Device::Cuda(n) => vec![cuda(n)],
        Device::TensorRt(n) => vec![ep::TensorRT::default().with_device_id(number(n)).build(), cuda(n)],
        Device::MiGraphX(n) => vec![ep::MIGraphX::default().with_device_id(number(n)).build()],
        Device::DirectMl(n) => vec![ep::DirectML::default().with_device_id(number(n)).build()],
        Device::CoreMl => vec![ep::CoreML::default().build()],
        Device::OpenVino => vec![ep::OpenVINO::default().build()],
    };
    chosen.into_iter().map(ExecutionProviderDispatch::error_on_failure).collect()
}

/// Where the values of a model on `device` lie.
pub(super) fn memory(device: Device) -> Result<MemoryInfo<'static>, ::ort::Error> {
    let place = match device {
        Device::Cuda(_) | Device::TensorRt(_) => AllocationDevice::CUDA,
        Device::MiGraphX(_) => AllocationDevice::HIP,
        Device::DirectMl(_) => AllocationDevice::DIRECTML,
        Device::Cpu | Device::CoreMl | Device::OpenVino => AllocationDevice::CPU,
    };
    let number = i32::try_from(device.number().unwrap_or(0)).unwrap_or(i32::MAX);
    MemoryInfo::new(place, number, AllocatorType::Device, MemoryType::Default)
}

/// Why `device` cannot be used with the onnxruntime at `library`: names the provider's library, which lies beside it,
/// because onnxruntime's own words do not say where it looked.
pub(super) fn refusal(device: Device, library: &Path, why: &str) -> Error {
    let looked_for = provider_library(device, library);
    let place = match looked_for {
        Some(path) if path.exists() => format!("{} does not load (its own libraries may be missing)", path.display()),
        Some(path) => format!("there is no {}", path.display()),
        None => format!("{} is built without this provider", library.display()),
    };
    Error::Device { device: device.to_string(), why: format!("{place}: {why}") }
}

/// The library that onnxruntime loads for `device`; `None` where the provider is a part of onnxruntime's own library.
fn provider_library(device: Device, library: &Path) -> Option<PathBuf> {
    let name = match device {
        Device::Cuda(_) => "cuda",
        Device::TensorRt(_) => "tensorrt",
        Device::MiGraphX(_) => "migraphx",
        Device::OpenVino => "openvino",
        Device::Cpu | Device::DirectMl(_) | Device::CoreMl => return None,
    };
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    Some(library.with_file_name(format!("{prefix}onnxruntime_providers_{name}{suffix}")))
}
