//! The runtime `onnxruntime`: any libonnxruntime found at run time.

use super::given::ordered;
use super::log;
use super::ort_bound::OrtBound;
use super::ort_device::{providers, refusal};
use super::ort_library::{Loaded, load};
use super::{Bound, Data, Device, Dim, Error, IoInfo, Result, Runtime, See, Session, SessionOptions, Tensor, View};
use crate::tensor::DType;
use ::ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ::ort::session::{Session as OrtSession, SessionInputValue};
use ::ort::value::{DynValue, PrimitiveTensorElementType, TensorElementType, TensorRef, ValueType};
use half::{bf16, f16};
use std::borrow::Cow;
use std::path::Path;

pub(super) const NAME: &str = "onnxruntime";

/// The runtime `onnxruntime`. One library serves the whole process: whichever was loaded first.
#[derive(Debug, Clone)]
pub struct Ort {
    loaded: Loaded,
}

impl Ort {
    /// Loads the first library of [`super::library::search`] that serves; what failed before it is added to
    /// `warnings`.
    ///
    /// # Errors
    /// [`Error::Library`] when none serves.
    pub fn load(library: Option<&Path>, warnings: &mut Vec<String>) -> Result<Self> {
        Ok(Self { loaded: load(library, warnings)? })
    }

    /// A builder, with the execution providers of the device registered: a failure there is not the model's.
    fn builder(&self, label: &str, options: &SessionOptions, folder: Option<&Path>) -> Result<SessionBuilder> {
        let refuse = |e: ::ort::Error| Error::Load { runtime: NAME, model: label.to_owned(), why: e.to_string() };
        let builder = self.plain_builder(options, folder).map_err(refuse)?;
        let placed = builder.with_execution_providers(providers(options.device));
        placed.map_err(|e| refusal(options.device, &self.loaded.path, &e.to_string()))
    }

    fn plain_builder(&self, options: &SessionOptions, folder: Option<&Path>) -> Result<SessionBuilder, ::ort::Error> {
        let level = if options.optimize { GraphOptimizationLevel::All } else { GraphOptimizationLevel::Disable };
        let mut builder = OrtSession::builder(&self.loaded.environment)?
            .with_optimization_level(level)?
            .with_log_level(log::level())?
            // Idle threads that keep spinning after a run would slow down whatever runs next.
            .with_config_entry("session.force_spinning_stop", "1")?;
        if let Some(threads) = options.threads {
            builder = builder.with_intra_threads(threads)?;
        }
        if let Some(folder) = folder.and_then(Path::to_str) {
            builder = builder.with_config_entry("session.model_external_initializers_file_folder_path", folder)?;
        }
        Ok(builder)
    }
}

impl Runtime for Ort {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> String {
        self.loaded.version.clone()
    }

    fn library(&self) -> Option<&Path> {
        Some(&self.loaded.path)
    }

    fn open(&self, model: &Path, options: &SessionOptions) -> Result<Box<dyn Session>> {
        let label = model.display().to_string();
        let refuse = |why: String| Error::Load { runtime: NAME, model: label.clone(), why };
        // Looked at first because a path that the operating system refuses makes `ort` panic.
        std::fs::metadata(model).map_err(|e| refuse(e.to_string()))?;
        let session = self.builder(&label, options, None)?.commit_from_file(model);
        finish(session.map_err(|e| refuse(e.to_string()))?, label, options.device)
    }

    fn open_bytes(&self, model: &[u8], folder: Option<&Path>, options: &SessionOptions) -> Result<Box<dyn Session>> {
        let label = "a model in memory".to_owned();
        let session = self.builder(&label, options, folder)?.commit_from_memory(model);
        let session = session.map_err(|e| Error::Load { runtime: NAME, model: label.clone(), why: e.to_string() })?;
        finish(session, label, options.device)
    }
}

fn finish(session: OrtSession, model: String, device: Device) -> Result<Box<dyn Session>> {
    let infos = |outlets: &[::ort::value::Outlet]| outlets.iter().map(info).collect::<Vec<_>>();
    let (inputs, outputs) = (infos(session.inputs()), infos(session.outputs()));
    if let Some(input) = inputs.iter().find(|input| input.dtype == DType::Undefined) {
        let what = format!("input `{}`, which is no tensor of numbers,", input.name);
        return Err(Error::Unsupported { runtime: NAME, model, what });
    }
    Ok(Box::new(Opened { session, model, device, inputs, outputs }))
}

struct Opened {
    session: OrtSession,
    model: String,
    device: Device,
    inputs: Vec<IoInfo>,
    outputs: Vec<IoInfo>,
}

impl Session for Opened {
    fn inputs(&self) -> &[IoInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[IoInfo] {
        &self.outputs
    }

    fn show_borrowed(&mut self, inputs: &[(&str, &Tensor)], see: &mut See) -> Result<()> {
        let given = ordered(NAME, &self.model, &self.inputs, inputs)?;
        let fail = |why: String| Error::Run { runtime: NAME, model: self.model.clone(), why };
        let named = self.inputs.iter().zip(given).map(|(info, tensor)| {
            Ok((Cow::Borrowed(info.name.as_str()), borrow(tensor).map_err(|e| fail(e.to_string()))?))
        });
        let values = named.collect::<Result<Vec<(Cow<'_, str>, SessionInputValue<'_>)>>>()?;
        let outputs = self.session.run(values).map_err(|e| fail(e.to_string()))?;
        let values: Vec<_> = outputs.values().collect();
        let seen = self.outputs.iter().zip(&values).map(|(info, value)| match view(value) {
            Ok(view) => Ok((info.name.as_str(), view)),
            Err(why) => Err(fail(format!("output `{}`: {why}", info.name))),
        });
        see(seen.collect::<Result<_>>()?);
        Ok(())
    }

    fn bind(self: Box<Self>) -> Result<Box<dyn Bound>> {
        let Self { session, model, device, inputs, outputs } = *self;
        Ok(Box::new(OrtBound::new(session, model, device, inputs, outputs)?))
    }
}

/// A view of `tensor` that onnxruntime reads in place.
fn borrow(tensor: &Tensor) -> Result<SessionInputValue<'_>, ::ort::Error> {
    let shape = tensor.shape();
    crate::tensor::for_each_type!(tensor.data(), v => Ok(TensorRef::from_array_view((shape, v.as_slice()))?.into()))
}

/// Shape and elements of a value, where they lie.
fn elements<T: PrimitiveTensorElementType>(value: &DynValue) -> Result<(Vec<usize>, &[T]), String> {
    let (shape, elements) = value.try_extract_tensor::<T>().map_err(|e| e.to_string())?;
    let shape = shape.iter().map(|&n| usize::try_from(n)).collect::<Result<Vec<_>, _>>();
    Ok((shape.map_err(|_| "has a negative size".to_owned())?, elements))
}

fn view(value: &DynValue) -> Result<View<'_>, String> {
    match value.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, .. } => {
            let (shape, values) = elements::<f32>(value)?;
            View::new(shape, values).map_err(|e| e.to_string())
        }
        _ => copy(value).map(View::from),
    }
}

pub(super) fn copy(value: &DynValue) -> Result<Tensor, String> {
    let ValueType::Tensor { ty, .. } = value.dtype() else {
        return Err(format!("is no tensor but {}", value.dtype()));
    };
    macro_rules! extract {
        ($t:ty) => {{
            let (shape, elements) = elements::<$t>(value)?;
            Tensor::new(shape, Data::from(elements.to_vec())).map_err(|e| e.to_string())
        }};
    }
    match ty {
        TensorElementType::Float32 => extract!(f32),
        TensorElementType::Float64 => extract!(f64),
        TensorElementType::Float16 => extract!(f16),
        TensorElementType::Bfloat16 => extract!(bf16),
        TensorElementType::Int64 => extract!(i64),
        TensorElementType::Int32 => extract!(i32),
        TensorElementType::Int16 => extract!(i16),
        TensorElementType::Int8 => extract!(i8),
        TensorElementType::Uint64 => extract!(u64),
        TensorElementType::Uint32 => extract!(u32),
        TensorElementType::Uint16 => extract!(u16),
        TensorElementType::Uint8 => extract!(u8),
        TensorElementType::Bool => extract!(bool),
        other => Err(format!("has elements of type {}", dtype(other).format_name())),
    }
}

fn info(outlet: &::ort::value::Outlet) -> IoInfo {
    info_of(outlet.name(), outlet.dtype())
}

/// What is known of a value of a type.
pub(super) fn info_of(name: &str, of: &ValueType) -> IoInfo {
    let name = name.to_owned();
    let ValueType::Tensor { ty, shape, dimension_symbols } = of else {
        return IoInfo { name, dtype: DType::Undefined, dims: None };
    };
    let dim = |(i, &size): (usize, &i64)| match usize::try_from(size) {
        Ok(size) => Dim::Fixed(size),
        Err(_) => match dimension_symbols.get(i) {
            Some(symbol) if !symbol.is_empty() => Dim::Symbol(symbol.clone()),
            _ => Dim::Unknown,
        },
    };
    let dims: Vec<Dim> = shape.iter().enumerate().map(dim).collect();
    // onnxruntime tells a scalar and an undeclared rank alike; the run itself refuses a wrong scalar.
    IoInfo { name, dtype: dtype(ty), dims: (!dims.is_empty()).then_some(dims) }
}

fn dtype(ty: &TensorElementType) -> DType {
    match ty {
        TensorElementType::Float32 => DType::Float,
        TensorElementType::Float64 => DType::Double,
        TensorElementType::Float16 => DType::Float16,
        TensorElementType::Bfloat16 => DType::Bfloat16,
        TensorElementType::Int64 => DType::Int64,
        TensorElementType::Int32 => DType::Int32,
        TensorElementType::Int16 => DType::Int16,
        TensorElementType::Int8 => DType::Int8,
        TensorElementType::Uint64 => DType::Uint64,
        TensorElementType::Uint32 => DType::Uint32,
        TensorElementType::Uint16 => DType::Uint16,
        TensorElementType::Uint8 => DType::Uint8,
        TensorElementType::Bool => DType::Bool,
        TensorElementType::String => DType::String,
        _ => DType::Undefined,
    }
}
