use super::{Bound, Device, Result, Tensor, View};
use crate::tensor::DType;
use std::path::Path;
use std::time::Duration;

/// Something that runs ONNX models.
pub trait Runtime: Send + Sync {
    /// Short name for messages and reports.
    fn name(&self) -> &'static str;

    /// Version of the library that does the work.
    fn version(&self) -> String;

    /// The library file, where the runtime is one.
    fn library(&self) -> Option<&Path> {
        None
    }

    /// Samples at a time that it is fast with, where nothing else decides.
    fn batch(&self) -> usize {
        32
    }

    /// Opens a model file, with its external data files beside it.
    ///
    /// # Errors
    /// [`super::Error::Load`] or [`super::Error::Unsupported`] when the runtime refuses the model.
    fn open(&self, model: &Path, options: &SessionOptions) -> Result<Box<dyn Session>>;

    /// Opens a serialized `ModelProto`. External data locations are taken relative to `folder`; without it a model
    /// that has external data is refused.
    ///
    /// # Errors
    /// As [`Runtime::open`].
    fn open_bytes(&self, model: &[u8], folder: Option<&Path>, options: &SessionOptions) -> Result<Box<dyn Session>>;
}

/// Is shown the outputs of a run, by name.
pub type See<'s> = dyn for<'r> FnMut(Vec<(&'r str, View<'r>)>) + 's;

/// An opened model. Runs need `&mut`: neither runtime promises that one session can serve two threads.
pub trait Session: Send {
    /// Graph inputs that a run must be given, in graph order.
    fn inputs(&self) -> &[IoInfo];

    /// Graph outputs, in graph order.
    fn outputs(&self) -> &[IoInfo];

    /// Runs the model once and shows what comes out, without copying it. Inputs come in any order; outputs are named,
    /// in graph order.
    ///
    /// # Errors
    /// [`super::Error::Input`] when the inputs do not fit the model, [`super::Error::Run`] when the run fails.
    fn show(&mut self, inputs: &[(String, Tensor)], see: &mut See) -> Result<()> {
        let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        self.show_borrowed(&inputs, see)
    }

    /// The same for inputs that others hold.
    ///
    /// # Errors
    /// Those of [`Session::show`].
    fn show_borrowed(&mut self, inputs: &[(&str, &Tensor)], see: &mut See) -> Result<()>;

    /// Runs the model once and gives copies of its outputs.
    ///
    /// # Errors
    /// Those of [`Session::show`].
    fn run(&mut self, inputs: &[(String, Tensor)]) -> Result<Vec<(String, Tensor)>> {
        let mut out = Ok(Vec::new());
        self.show(inputs, &mut |outputs| {
            let own = |(name, view): (&str, View)| Ok((name.to_owned(), view.into_tensor()?));
            out = outputs.into_iter().map(own).collect();
        })?;
        out
    }

    /// Turns to runs whose inputs and outputs stay where the model runs until they are replaced or asked for.
    ///
    /// # Errors
    /// [`super::Error::Run`] when the runtime has no room for them.
    fn bind(self: Box<Self>) -> Result<Box<dyn Bound>>;
}

/// How a session runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOptions {
    /// Threads for one operator; `None` is the runtime's own choice (about one per core).
    pub threads: Option<usize>,
    /// Whether the runtime may rewrite the graph (fusion, constant folding).
    pub optimize: bool,
    /// Where the model runs.
    pub device: Device,
    /// How long opening the model, and its first run on inputs of new shapes, may take; `None` is for ever.
    pub limit: Option<Duration>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { threads: None, optimize: true, device: Device::Cpu, limit: None }
    }
}

/// One axis of a declared shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dim {
    /// Known size.
    Fixed(usize),
    /// Named by the model (`dim_param`), known at run time.
    Symbol(String),
    /// Known at run time only.
    Unknown,
}

/// What a model declares of an input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoInfo {
    /// Name of the value.
    pub name: String,
    /// Element type as `TensorProto.data_type` numbers it; 0 when it is not a tensor.
    pub dtype: DType,
    /// Axes, or `None` when the rank is not declared.
    pub dims: Option<Vec<Dim>>,
}

impl IoInfo {
    /// The shape with `free(axis, symbol)` in the place of every open axis; `None` when the rank is unknown.
    pub fn shape(&self, free: &dyn Fn(usize, Option<&str>) -> usize) -> Option<Vec<usize>> {
        let size = |(axis, dim): (usize, &Dim)| match dim {
            Dim::Fixed(size) => *size,
            Dim::Symbol(symbol) => free(axis, Some(symbol)),
            Dim::Unknown => free(axis, None),
        };
        self.dims.as_ref().map(|dims| dims.iter().enumerate().map(size).collect())
    }
}
