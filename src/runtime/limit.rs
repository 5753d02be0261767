//! A limit on how long a runtime may take: it works in a thread that is left behind when it does not finish.

use super::{Bound, Error, IoInfo, Result, Runtime, See, Session, SessionOptions, Tensor, View};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// A limit that no working runtime comes near: preparing a graph takes a time for each node and byte, a run one for
/// each multiply-accumulate.
pub fn generous_limit(macs: f64, nodes: usize, bytes: u64) -> Duration {
    let seconds = 20.0 + 0.02 * nodes as f64 + macs.max(0.0) / 1e7 + bytes as f64 / 1e7;
    Duration::from_secs_f64(seconds.min(24.0 * 3600.0))
}

/// What runtimes recurse over may be deep; memory that is not touched costs nothing.
const STACK: usize = 256 << 20;

const SLICE: Duration = Duration::from_millis(100);

/// Does `work` in a thread of its own.
fn within<T: Send + 'static>(
    limit: Duration,
    (runtime, model): (&'static str, &str),
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let refuse = |why: String| Error::Run { runtime, model: model.to_owned(), why };
    let (done, answer) = sync_channel(1);
    let thread = std::thread::Builder::new().name("run".to_owned()).stack_size(STACK);
    let spawned = thread.spawn(move || {
        // Nobody waits any more where this fails.
        let _ = done.send(work());
    });
    spawned.map_err(|e| refuse(format!("no thread: {e}")))?;
    // In slices: a process that is stopped for a while, or a machine that sleeps, loses one of them at most.
    let mut left = limit;
    while !left.is_zero() {
        let slice = left.min(SLICE);
        match answer.recv_timeout(slice) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => return Err(refuse("internal failure".to_owned())),
            Err(RecvTimeoutError::Timeout) => left -= slice,
        }
    }
    // The thread goes on until the process ends, which waits for no thread.
    Err(Error::Timeout { runtime, model: model.to_owned(), seconds: limit.as_secs_f64() })
}

/// A runtime whose sessions obey [`SessionOptions::limit`]: opening, and the first run with inputs of new shapes.
/// Later runs do the same work again and are made without a detour.
pub(super) struct Limited(pub Arc<dyn Runtime>);

impl Limited {
    fn open_by(
        &self,
        model: &str,
        options: &SessionOptions,
        open: impl FnOnce(&dyn Runtime, &SessionOptions) -> Result<Box<dyn Session>> + Send + 'static,
    ) -> Result<Box<dyn Session>> {
        let Some(limit) = options.limit else { return open(&*self.0, options) };
        let (runtime, own) = (Arc::clone(&self.0), options.clone());
        let session = within(limit, (self.name(), model), move || open(&*runtime, &own))??;
        Ok(Box::new(Guarded {
            inputs: session.inputs().to_vec(),
            outputs: session.outputs().to_vec(),
            session: Some(session),
            limit,
            runtime: self.name(),
            model: model.to_owned(),
            known: None,
        }))
    }
}

impl Runtime for Limited {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn version(&self) -> String {
        self.0.version()
    }

    fn library(&self) -> Option<&Path> {
        self.0.library()
    }

    fn batch(&self) -> usize {
        self.0.batch()
    }

    fn open(&self, model: &Path, options: &SessionOptions) -> Result<Box<dyn Session>> {
        let path = model.to_owned();
        self.open_by(&model.display().to_string(), options, move |runtime, options| runtime.open(&path, options))
    }

    fn open_bytes(&self, model: &[u8], folder: Option<&Path>, options: &SessionOptions) -> Result<Box<dyn Session>> {
        if options.limit.is_none() {
            return self.0.open_bytes(model, folder, options);
        }
        let (bytes, folder) = (model.to_vec(), folder.map(PathBuf::from));
        self.open_by("a model in memory", options, move |runtime, options| {
            runtime.open_bytes(&bytes, folder.as_deref(), options)
        })
    }
}

/// A session whose runs on new shapes are limited.
struct Guarded {
    /// Gone with a run that did not finish.
    session: Option<Box<dyn Session>>,
    inputs: Vec<IoInfo>,
    outputs: Vec<IoInfo>,
    limit: Duration,
    runtime: &'static str,
    model: String,
    /// Shapes of the last run that finished.
    known: Option<Vec<Vec<usize>>>,
}

impl Guarded {
    fn lost(&self) -> Error {
        Error::Timeout { runtime: self.runtime, model: self.model.clone(), seconds: self.limit.as_secs_f64() }
    }
}

impl Session for Guarded {
    fn inputs(&self) -> &[IoInfo] {
        &self.inputs
    }

    fn outputs(&self) -> &[IoInfo] {
        &self.outputs
    }

    fn show_borrowed(&mut self, inputs: &[(&str, &Tensor)], see: &mut See) -> Result<()> {
        let shapes: Vec<Vec<usize>> = inputs.iter().map(|(_, t)| t.shape().to_vec()).collect();
        if self.known.as_ref() == Some(&shapes) {
            let Some(session) = &mut self.session else { return Err(self.lost()) };
            return session.show_borrowed(inputs, see);
        }
        let Some(mut session) = self.session.take() else { return Err(self.lost()) };
        let own: Vec<(String, Tensor)> = inputs.iter().map(|(name, t)| ((*name).to_owned(), (*t).clone())).collect();
        let (session, outputs) = within(self.limit, (self.runtime, &self.model), move || {
            let outputs = session.run(&own);
            (session, outputs)
        })?;
        self.session = Some(session);
        let outputs = outputs?;
        self.known = Some(shapes);
        see(outputs.iter().map(|(name, t)| (name.as_str(), View::from(t.clone()))).collect());
        Ok(())
    }

    fn bind(self: Box<Self>) -> Result<Box<dyn Bound>> {
        let lost = self.lost();
        self.session.ok_or(lost)?.bind()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens at once and runs for as many milliseconds as its input has elements.
    struct Sleeper;

    impl Runtime for Sleeper {
        fn name(&self) -> &'static str {
            "sleeper"
        }
        fn version(&self) -> String {
            String::new()
        }
        fn open(&self, _: &Path, _: &SessionOptions) -> Result<Box<dyn Session>> {
            Ok(Box::new(Sleep))
        }
        fn open_bytes(&self, _: &[u8], _: Option<&Path>, _: &SessionOptions) -> Result<Box<dyn Session>> {
            std::thread::sleep(Duration::from_secs(3600));
            Ok(Box::new(Sleep))
        }
    }

    struct Sleep;

    impl Session for Sleep {
        fn inputs(&self) -> &[IoInfo] {
            &[]
        }
        fn outputs(&self) -> &[IoInfo] {
            &[]
        }
        fn show_borrowed(&mut self, inputs: &[(&str, &Tensor)], see: &mut See) -> Result<()> {
            let n = inputs.iter().map(|(_, t)| t.len() as u64).sum();
            if n > 100 {
                std::thread::sleep(Duration::from_secs(n));
            }
            see(inputs.iter().map(|(name, t)| (*name, View::from((*t).clone()))).collect());
            Ok(())
        }
        fn bind(self: Box<Self>) -> Result<Box<dyn Bound>> {
            Err(Error::NoRuntime)
        }
    }

    #[test]
    fn what_does_not_finish_is_left_behind() {
        let limited = Limited(Arc::new(Sleeper));
        let options = SessionOptions { limit: Some(Duration::from_millis(200)), ..SessionOptions::default() };
        let inputs = |n: usize| vec![("x".to_owned(), Tensor::new([n], vec![1f32; n]).unwrap())];
        let timeout = |e: Error| matches!(e, Error::Timeout { runtime: "sleeper", seconds, .. } if seconds == 0.2);
        assert!(timeout(limited.open_bytes(&[], None, &options).err().unwrap()));
        let mut session = limited.open(Path::new("m"), &options).unwrap();
        assert_eq!(session.run(&inputs(3)).unwrap(), inputs(3));
        assert_eq!(session.run(&inputs(3)).unwrap(), inputs(3));
        assert!(timeout(session.run(&inputs(3600)).unwrap_err()));
        // The session went with the run.
        assert!(timeout(session.run(&inputs(3)).unwrap_err()));
    }

    #[test]
    fn the_limit_grows_with_the_work() {
        assert!(generous_limit(0.0, 0, 0) >= Duration::from_secs(10));
        assert!(generous_limit(4e9, 500, 100 << 20) > Duration::from_secs(400));
        assert!(generous_limit(f64::NAN, 0, 0) < Duration::from_secs(60));
    }
}
