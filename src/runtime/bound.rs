//! Runs whose values stay where the model runs.

use super::{IoInfo, Result, Tensor};

/// An opened model with places for its inputs and outputs, on the device that it runs on. What is computed is copied
/// only when it is asked for, so a loop over one model (training, decoding) moves nothing that it need not.
pub trait Bound: Send {
    /// Graph inputs that must be set before the first run, in graph order.
    fn inputs(&self) -> &[IoInfo];

    /// Graph outputs, in graph order.
    fn outputs(&self) -> &[IoInfo];

    /// Copies `value` to the device as an input of this and every later run.
    ///
    /// # Errors
    /// [`super::Error::Input`] when it does not fit what the model declares.
    fn set(&mut self, input: &str, value: &Tensor) -> Result<()>;

    /// Runs on the inputs that are set.
    ///
    /// # Errors
    /// [`super::Error::Run`], also where an input is missing.
    fn run(&mut self) -> Result<()>;

    /// Makes an output of the last run an input of this and every later run, where it lies.
    ///
    /// # Errors
    /// [`super::Error::Input`] when there is no such input, output or run.
    fn feed(&mut self, output: &str, input: &str) -> Result<()>;

    /// A copy of an output of the last run.
    ///
    /// # Errors
    /// [`super::Error::Run`] when there is no such output or run.
    fn get(&self, output: &str) -> Result<Tensor>;
}

#[cfg(feature = "tract")]
pub(super) use in_memory::InMemory;

#[cfg(feature = "tract")]
mod in_memory {
    use super::Bound;
    use crate::runtime::given::one;
    use crate::runtime::{Error, IoInfo, Result, Session, Tensor};

    /// Any session that computes in main memory, where keeping a value is keeping a tensor.
    pub(in crate::runtime) struct InMemory {
        session: Box<dyn Session>,
        runtime: &'static str,
        model: String,
        given: Vec<(String, Tensor)>,
        results: Vec<(String, Tensor)>,
    }

    impl InMemory {
        pub fn new(session: Box<dyn Session>, runtime: &'static str, model: String) -> Self {
            Self { session, runtime, model, given: Vec::new(), results: Vec::new() }
        }
    }

    impl Bound for InMemory {
        fn inputs(&self) -> &[IoInfo] {
            self.session.inputs()
        }

        fn outputs(&self) -> &[IoInfo] {
            self.session.outputs()
        }

        fn set(&mut self, input: &str, value: &Tensor) -> Result<()> {
            one(self.runtime, &self.model, self.session.inputs(), input, value)?;
            match self.given.iter_mut().find(|(name, _)| name == input) {
                Some((_, slot)) => *slot = value.clone(),
                None => self.given.push((input.to_owned(), value.clone())),
            }
            Ok(())
        }

        fn run(&mut self) -> Result<()> {
            self.results = self.session.run(&self.given)?;
            Ok(())
        }

        fn feed(&mut self, output: &str, input: &str) -> Result<()> {
            let value = self.get(output)?;
            self.set(input, &value)
        }

        fn get(&self, output: &str) -> Result<Tensor> {
            let found = self.results.iter().find(|(name, _)| name == output);
            found.map(|(_, tensor)| tensor.clone()).ok_or_else(|| Error::Run {
                runtime: self.runtime,
                model: self.model.clone(),
                why: format!("no run has given an output `{output}`"),
            })
        }
    }
}
