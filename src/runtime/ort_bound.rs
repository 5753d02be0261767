//! onnxruntime's I/O binding.

use super::given::one;
use super::ort::{NAME, copy};
use super::{Bound, Device, Dim, Error, IoInfo, Result, Tensor};
use ::ort::memory::AllocationDevice;
use ::ort::session::{IoBinding, Session as OrtSession};
use ::ort::value::{DynTensorValueType, DynValue, Tensor as OrtTensor};
use std::collections::HashMap;

/// A session with its inputs and outputs bound.
pub(super) struct OrtBound {
    // Values and binding go before the session that made them.
    results: Vec<DynValue>,
    binding: IoBinding,
    session: OrtSession,
    model: String,
    device: Device,
    inputs: Vec<IoInfo>,
    outputs: Vec<IoInfo>,
    /// Shapes of the inputs that are set.
    shapes: HashMap<String, Vec<usize>>,
    /// Whether an output's buffer is of the right size for the next run too.
    settled: Vec<bool>,
}

impl OrtBound {
    pub fn new(
        session: OrtSession,
        model: String,
        device: Device,
        inputs: Vec<IoInfo>,
        outputs: Vec<IoInfo>,
    ) -> Result<Self> {
        let fail = |e: ::ort::Error| Error::Run { runtime: NAME, model: model.clone(), why: e.to_string() };
        let binding = session.create_binding().map_err(fail)?;
        let settled = vec![false; outputs.len()];
        let (results, shapes) = (Vec::new(), HashMap::new());
        Ok(Self { results, binding, session, model, device, inputs, outputs, shapes, settled })
    }

    fn fail(&self, why: impl ToString) -> Error {
        Error::Run { runtime: NAME, model: self.model.clone(), why: why.to_string() }
    }

    /// Whether the shape of an output follows from those of the inputs, so that its buffer can be used again.
    fn follows(&self, output: &IoInfo) -> bool {
        let known = |symbol: &String| {
            let mut dims = self.inputs.iter().flat_map(|input| input.dims.iter().flatten());
            dims.any(|dim| matches!(dim, Dim::Symbol(other) if other == symbol))
        };
        output.dims.as_ref().is_some_and(|dims| {
            dims.iter().all(|dim| match dim {
                Dim::Fixed(_) => true,
                Dim::Symbol(symbol) => known(symbol),
                Dim::Unknown => false,
            })
        })
    }

    /// Gives each output that needs one a new buffer, made by the run itself.
    fn place_outputs(&mut self) -> Result<()> {
        let memory = super::ort_device::memory(self.device).map_err(|e| self.fail(e))?;
        for i in 0..self.outputs.len() {
            if !self.settled[i] {
                let name = self.outputs[i].name.clone();
                self.binding.bind_output_to_device(name, &memory).map_err(|e| self.fail(e))?;
            }
        }
        Ok(())
    }

    /// The place of an output of the last run.
    fn result(&self, output: &str) -> Result<usize> {
        let found = self.outputs.iter().position(|info| info.name == output).filter(|i| *i < self.results.len());
        found.ok_or_else(|| self.fail(format!("no run has given an output `{output}`")))
    }

    fn reshaped(&mut self, input: &str, shape: &[usize]) {
        if self.shapes.get(input).is_none_or(|known| known != shape) {
            self.shapes.insert(input.to_owned(), shape.to_vec());
            self.settled.fill(false);
        }
    }
}

impl Bound for OrtBound {
    fn inputs(&self) -> &[IoInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[IoInfo] {
        &self.outputs
    }

    fn set(&mut self, input: &str, value: &Tensor) -> Result<()> {
        one(NAME, &self.model, &self.inputs, input, value)?;
        self.reshaped(input, value.shape());
        owned(value).and_then(|v| self.binding.bind_input(input, &v)).map_err(|e| self.fail(e))
    }

    fn run(&mut self) -> Result<()> {
        if let Some(missing) = self.inputs.iter().find(|info| !self.shapes.contains_key(&info.name)) {
            return Err(self.fail(format!("input `{}` is not set", missing.name)));
        }
        self.place_outputs()?;
        self.results.clear();
        let outputs = self.session.run_binding(&self.binding);
        let mut outputs =
            outputs.map_err(|e| Error::Run { runtime: NAME, model: self.model.clone(), why: e.to_string() })?;
        let values: Vec<DynValue> = self.outputs.iter().filter_map(|info| outputs.remove(&info.name)).collect();
        drop(outputs);
        if values.len() != self.outputs.len() {
            return Err(self.fail("an output is missing"));
        }
        self.results = values;
        self.settled = self.outputs.iter().map(|info| self.follows(info)).collect();
        Ok(())
    }

    fn feed(&mut self, output: &str, input: &str) -> Result<()> {
        let from = self.result(output)?;
        let value = &self.results[from];
        let info = self.inputs.iter().find(|info| info.name == input);
        let dtype = super::ort::info_of("", value.dtype());
        let fits = info.is_some_and(|info| info.dtype == dtype.dtype);
        if !fits {
            let why = format!("cannot be fed from output `{output}`");
            return Err(Error::Input { runtime: NAME, model: self.model.clone(), input: input.to_owned(), why });
        }
        self.binding.bind_input(input, value).map_err(|e| self.fail(e))?;
        let shape = dtype.shape(&|_, _| 0).unwrap_or_default();
        self.reshaped(input, &shape);
        // The next run must not write over what it reads.
        self.settled[from] = false;
        Ok(())
    }

    fn get(&self, output: &str) -> Result<Tensor> {
        let value = &self.results[self.result(output)?];
        let view = value.view().downcast::<DynTensorValueType>().map_err(|e| self.fail(e))?;
        if view.memory_info().allocation_device() == AllocationDevice::CPU {
            return copy(value).map_err(|e| self.fail(e));
        }
        let here = view.to(AllocationDevice::CPU, 0).map_err(|e| self.fail(e))?;
        copy(&here.into_dyn()).map_err(|e| self.fail(e))
    }
}

/// A value of onnxruntime's own with the elements of `tensor`.
fn owned(tensor: &Tensor) -> Result<DynValue, ::ort::Error> {
    let shape = tensor.shape();
    crate::tensor::for_each_type!(tensor.data(), v => Ok(OrtTensor::from_array((shape, v.clone()))?.into_dyn()))
}
