use super::{Choice, Result, Runtime, Selected, select};
use std::path::PathBuf;
use std::sync::OnceLock;

/// A runtime that is chosen and opened when it is first asked for, and then stays: one for a whole job.
#[derive(Debug)]
pub struct OnDemand {
    choice: Choice,
    library: Option<PathBuf>,
    selected: OnceLock<Selected>,
}

/// onnxruntime where it is found, else tract.
impl Default for OnDemand {
    fn default() -> Self {
        OnDemand::new(Choice::Auto, None)
    }
}

impl OnDemand {
    /// Nothing is opened yet. `library` is the onnxruntime to use.
    pub fn new(choice: Choice, library: Option<PathBuf>) -> Self {
        OnDemand { choice, library, selected: OnceLock::new() }
    }

    /// The runtime.
    ///
    /// # Errors
    /// Those of [`select`]; whoever asks again tries again.
    pub fn get(&self) -> Result<&dyn Runtime> {
        Ok(&*self.selected()?.runtime)
    }

    /// The runtime, and what the user should know about the choice.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn selected(&self) -> Result<&Selected> {
        if let Some(selected) = self.selected.get() {
            return Ok(selected);
        }
        let selected = select(self.choice, self.library.as_deref())?;
        Ok(self.selected.get_or_init(|| selected))
    }
}
