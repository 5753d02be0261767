//! The runtime `tract`: pure Rust, built in.

use super::bound::{Bound, InMemory};
use super::given::ordered;
use super::quiet::quietly;
use super::{
    Data, Dim, Error, IoInfo, Result, Runtime, See, Session, SessionOptions, Tensor, View, tract_broadcast,
    tract_patches,
};
use crate::tensor::DType;
use half::f16;
use prost::Message;
use std::path::Path;
use std::sync::Arc;
use tract_linalg::multithread::Executor;
use tract_onnx::pb::{self, ModelProto, ValueInfoProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::Tensor as TractTensor;

const NAME: &str = "tract";
// tract itself does not tell; a test compares this with the lock file.
const VERSION: &str = "0.23.9";

/// The runtime `tract`.
///
/// It computes with fixed shapes: a session prepares the model again whenever the shapes of the inputs change, so the
/// first run after a change is slow.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tract;

impl Runtime for Tract {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> String {
        VERSION.to_owned()
    }

    /// Its convolutions copy every patch of a batch before they multiply, and none of a single sample: residual
    /// networks on images of 32 × 32 are five times as fast with one after the other.
    fn batch(&self) -> usize {
        1
    }

    fn open(&self, model: &Path, options: &SessionOptions) -> Result<Box<dyn Session>> {
        let label = model.display().to_string();
        let bytes = std::fs::read(model).map_err(|e| load_error(&label, e.to_string()))?;
        let proto = ModelProto::decode(bytes.as_slice()).map_err(|e| load_error(&label, e.to_string()))?;
        // Each step holds its own copy of the weights: the last one goes before the next comes.
        drop(bytes);
        open(proto, Some(model.parent().unwrap_or(Path::new(""))), label, options)
    }

    fn open_bytes(&self, model: &[u8], folder: Option<&Path>, options: &SessionOptions) -> Result<Box<dyn Session>> {
        let label = "a model in memory".to_owned();
        let proto = ModelProto::decode(model).map_err(|e| load_error(&label, e.to_string()))?;
        open(proto, folder, label, options)
    }
}

fn load_error(model: &str, why: String) -> Error {
    Error::Load { runtime: NAME, model: model.to_owned(), why }
}

fn open(
    mut proto: ModelProto,
    folder: Option<&Path>,
    model: String,
    options: &SessionOptions,
) -> Result<Box<dyn Session>> {
    options.device.only_cpu(NAME)?;
    tract_patches::apply(&mut proto).map_err(|why| load_error(&model, why))?;
    let framework = tract_onnx::onnx().with_ignore_value_info(true);
    let unknown = tract_patches::unknown_operators(&proto, |op| framework.op_register.0.contains_key(op));
    if !unknown.is_empty() {
        let what = format!("operator {}", unknown.join(", "));
        return Err(Error::Unsupported { runtime: NAME, model, what });
    }
    let (inputs, outputs) = declared(&proto);
    let parsed = guarded(|| framework.parse(&proto, folder.and_then(Path::to_str)));
    let parsed = parsed.map_err(|why| load_error(&model, why))?;
    drop(proto);
    if let Some(name) = parsed.unresolved_inputs.first() {
        return Err(load_error(&model, format!("nothing produces `{name}`")));
    }
    let mut session = Opened {
        graph: parsed.model,
        model,
        inputs,
        outputs,
        optimize: options.optimize,
        executor: match options.threads {
            None => Executor::RayonGlobal,
            Some(0 | 1) => Executor::SingleThread,
            Some(threads) => Executor::multithread(threads),
        },
        plan: None,
    };
    // With fixed shapes, what tract cannot prepare is told now and not at the first run.
    let fixed = |info: &IoInfo| info.dims.as_ref().is_some_and(|d| d.iter().all(|d| matches!(d, Dim::Fixed(_))));
    if session.inputs.iter().all(fixed) {
        let shapes = session.inputs.iter().filter_map(|info| info.shape(&|_, _| 0)).collect();
        session.prepare(shapes).map_err(|why| load_error(&session.model, why))?;
    }
    Ok(Box::new(session))
}

/// A panic in tract (it has `unwrap`s and index expressions on what a file says) becomes an error, as do its own.
fn guarded<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match quietly(work) {
        Ok(result) => result.map_err(|e| format!("{e:#}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(format!("internal failure: {text}"))
        }
    }
}

/// A model prepared for one set of input shapes.
struct TractPlan {
    shapes: Vec<Vec<usize>>,
    run: Arc<TypedRunnableModel>,
}

struct Opened {
    graph: InferenceModel,
    model: String,
    inputs: Vec<IoInfo>,
    outputs: Vec<IoInfo>,
    optimize: bool,
    executor: Executor,
    plan: Option<TractPlan>,
}

impl Opened {
    fn prepare(&mut self, shapes: Vec<Vec<usize>>) -> Result<Arc<TypedRunnableModel>, String> {
        if let Some(plan) = self.plan.as_ref().filter(|plan| plan.shapes == shapes) {
            return Ok(plan.run.clone());
        }
        // Two prepared copies of the weights would double the memory.
        self.plan = None;
        let prepare = |optimize: bool| guarded(|| self.planned(&shapes, optimize));
        // A graph that tract's optimizer fails on may still run as it stands.
        let run = prepare(self.optimize)
            .or_else(|why| if self.optimize { prepare(false).map_err(|_| why) } else { Err(why) })?;
        self.plan = Some(TractPlan { shapes, run: run.clone() });
        Ok(run)
    }

    fn planned(&self, shapes: &[Vec<usize>], optimize: bool) -> TractResult<Arc<TypedRunnableModel>> {
        let mut graph = self.graph.clone();
        for (i, (info, shape)) in self.inputs.iter().zip(shapes).enumerate() {
            graph.set_input_fact(i, InferenceFact::dt_shape(datum_type(info.dtype)?, shape))?;
        }
        let mut graph = graph.into_typed()?;
        if optimize {
            tract_broadcast::hold(&mut graph)?;
            graph = graph.into_optimized()?;
        }
        let options = RunOptions { executor: Some(self.executor.clone()), ..Default::default() };
        graph.into_runnable_with_options(&options)
    }
}

impl Session for Opened {
    fn inputs(&self) -> &[IoInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[IoInfo] {
        &self.outputs
    }

    fn show_borrowed(&mut self, inputs: &[(&str, &Tensor)], see: &mut See) -> Result<()> {
        let model = self.model.clone();
        let fail = |why: String| Error::Run { runtime: NAME, model: model.clone(), why };
        let given = ordered(NAME, &model, &self.inputs, inputs)?;
        let plan = self.prepare(given.iter().map(|t| t.shape().to_vec()).collect()).map_err(fail)?;
        let outputs = guarded(|| {
            let values = given.iter().map(|tensor| Ok(to_tract(tensor)?.into_tvalue()));
            plan.run(values.collect::<TractResult<TVec<TValue>>>()?)
        });
        let outputs = outputs.map_err(|why| {
            // After a panic the prepared model may be in any state.
            self.plan = None;
            fail(why)
        })?;
        let seen = self.outputs.iter().zip(&outputs).map(|(info, value)| match guarded(|| view(value, info.dtype)) {
            Ok(view) => Ok((info.name.as_str(), view)),
            Err(why) => Err(fail(format!("output `{}`: {why}", info.name))),
        });
        see(seen.collect::<Result<_>>()?);
        Ok(())
    }

    fn bind(self: Box<Self>) -> Result<Box<dyn Bound>> {
        let model = self.model.clone();
        Ok(Box::new(InMemory::new(self, NAME, model)))
    }
}

fn to_tract(tensor: &Tensor) -> TractResult<TractTensor> {
    let shape = tensor.shape();
    match tensor.data() {
        Data::F32(v) => TractTensor::from_shape(shape, v),
        Data::F64(v) => TractTensor::from_shape(shape, v),
        Data::F16(v) => TractTensor::from_shape(shape, v),
        Data::BF16(_) => no_type("tract has no bfloat16".to_owned()),
        Data::I64(v) => TractTensor::from_shape(shape, v),
        Data::I32(v) => TractTensor::from_shape(shape, v),
        Data::I16(v) => TractTensor::from_shape(shape, v),
        Data::I8(v) => TractTensor::from_shape(shape, v),
        Data::U64(v) => TractTensor::from_shape(shape, v),
        Data::U32(v) => TractTensor::from_shape(shape, v),
        Data::U16(v) => TractTensor::from_shape(shape, v),
        Data::U8(v) => TractTensor::from_shape(shape, v),
        Data::Bool(v) => TractTensor::from_shape(shape, v),
    }
}

fn view(value: &TractTensor, declared: DType) -> TractResult<View<'_>> {
    if value.datum_type() == DatumType::F32 {
        return Ok(View::new(value.shape(), value.try_as_plain_ram()?.as_slice::<f32>()?)?);
    }
    from_tract(value, declared).map(View::from)
}

fn from_tract(value: &TractTensor, declared: DType) -> TractResult<Tensor> {
    // Shape arithmetic runs on a type of tract's own, which leaves as what the model declares.
    let cast;
    let value = match value.datum_type() {
        DatumType::TDim => {
            cast = value.cast_to_dt(datum_type(declared).unwrap_or(DatumType::I64))?;
            cast.as_ref()
        }
        _ => value,
    };
    macro_rules! extract {
        ($t:ty) => {
            Data::from(value.try_as_plain_ram()?.as_slice::<$t>()?.to_vec())
        };
    }
    let data = match value.datum_type() {
        DatumType::F32 => extract!(f32),
        DatumType::F64 => extract!(f64),
        DatumType::F16 => extract!(f16),
        DatumType::I64 => extract!(i64),
        DatumType::I32 => extract!(i32),
        DatumType::I16 => extract!(i16),
        DatumType::I8 => extract!(i8),
        DatumType::U64 => extract!(u64),
        DatumType::U32 => extract!(u32),
        DatumType::U16 => extract!(u16),
        DatumType::U8 => extract!(u8),
        DatumType::Bool => extract!(bool),
        other => return no_type(format!("has elements of type {other:?}")),
    };
    Ok(Tensor::new(value.shape(), data)?)
}

fn datum_type(dtype: DType) -> TractResult<DatumType> {
    let known = pb::tensor_proto::DataType::try_from(dtype as i32).ok().and_then(|d| DatumType::try_from(d).ok());
    known.map_or_else(|| no_type(format!("tract has no {}", dtype.format_name())), Ok)
}

fn no_type<T>(why: String) -> TractResult<T> {
    Err(Error::Tensor { why })?
}

/// The graph inputs that are no initializers, and the graph outputs.
fn declared(model: &ModelProto) -> (Vec<IoInfo>, Vec<IoInfo>) {
    let Some(graph) = &model.graph else { return (Vec::new(), Vec::new()) };
    let given = |value: &&ValueInfoProto| graph.initializer.iter().all(|tensor| tensor.name != value.name);
    (graph.input.iter().filter(given).map(info).collect(), graph.output.iter().map(info).collect())
}

fn info(value: &ValueInfoProto) -> IoInfo {
    use pb::tensor_shape_proto::dimension::Value::{DimParam, DimValue};
    let name = value.name.clone();
    let Some(pb::type_proto::Value::TensorType(tensor)) = value.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return IoInfo { name, dtype: DType::Undefined, dims: None };
    };
    let dim = |dim: &pb::tensor_shape_proto::Dimension| match &dim.value {
        Some(DimValue(size)) => usize::try_from(*size).map_or(Dim::Unknown, Dim::Fixed),
        Some(DimParam(symbol)) if !symbol.is_empty() => Dim::Symbol(symbol.clone()),
        _ => Dim::Unknown,
    };
    let dims = tensor.shape.as_ref().map(|shape| shape.dim.iter().map(dim).collect());
    IoInfo { name, dtype: DType::of(tensor.elem_type), dims }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_built() {
        let lock = include_str!("../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"tract-onnx\"\nversion = \"{VERSION}\"")));
    }
}
