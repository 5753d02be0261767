//! Who is told, and how jobs tell.

use super::{Cancel, Cancelled, Event, Figure, FigureName, Progress, Stage, Unit};

/// Is told what happens in a job, on whatever thread it happens. It should be quick: the job waits for it. Closures
/// that take an event are observers.
pub trait Observer: Sync {
    /// Something happened.
    fn observe(&self, event: &Event);
}

impl<F: Fn(&Event) + Sync> Observer for F {
    fn observe(&self, event: &Event) {
        self(event);
    }
}

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &Event) {}
}

/// What a job carries along: who is told, and what stops it. By default nobody and nothing.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    observer: &'a dyn Observer,
    cancel: Option<&'a Cancel>,
}

impl Default for Job<'_> {
    fn default() -> Self {
        Job { observer: &Silent, cancel: None }
    }
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

impl<'a> Job<'a> {
    /// A job that tells `observer` what happens.
    pub fn observed_by(observer: &'a dyn Observer) -> Self {
        Job { observer, cancel: None }
    }

    /// The same job, which `cancel` stops.
    pub fn cancelled_by(self, cancel: &'a Cancel) -> Self {
        Job { cancel: Some(cancel), ..self }
    }

    /// A part of this job that tells nothing and is stopped by the same switch: something around it is counted.
    pub fn quiet(self) -> Self {
        Job { observer: &Silent, ..self }
    }

    /// Tells something.
    pub fn tell(&self, event: &Event) {
        self.observer.observe(event);
    }

    /// Asks whether to go on.
    ///
    /// # Errors
    /// [`Cancelled`] when the job is to stop; likewise below.
    pub fn check(&self) -> Result<(), Cancelled> {
        self.cancel.map_or(Ok(()), Cancel::check)
    }

    /// A stage begins.
    ///
    /// # Errors
    /// See [`check`](Self::check).
    pub fn stage(&self, stage: Stage) -> Result<(), Cancelled> {
        self.tell(&Event::Stage { stage });
        self.check()
    }

    /// So many of `total` are done.
    ///
    /// # Errors
    /// See [`check`](Self::check).
    pub fn progress(&self, done: usize, total: Option<usize>, unit: Unit) -> Result<(), Cancelled> {
        let total = total.map(|n| n as u64);
        self.tell(&Event::Progress(Progress { done: done as u64, total, unit }));
        self.check()
    }

    /// A figure of the model as it is now; what is not finite is not told.
    pub fn figure(&self, name: FigureName, value: f64) {
        if value.is_finite() {
            self.tell(&Event::Figures { figures: vec![Figure { name, value }] });
        }
    }

    /// Something that explains the result.
    pub fn note(&self, text: &str) {
        self.tell(&Event::Note { text: text.to_owned() });
    }

    /// Something that the user should know.
    pub fn warn(&self, text: &str) {
        self.tell(&Event::Warning { text: text.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn events_are_the_same_after_json() {
        let events = [
            Event::Stage { stage: Stage::Calibrate },
            Event::Progress(Progress { done: 3, total: None, unit: Unit::Layers }),
            Event::Figures { figures: vec![Figure { name: FigureName::Macs, value: 0.25 }] },
            Event::Warning { text: "odd".to_owned() },
            Event::Note { text: "as planned".to_owned() },
        ];
        for event in events {
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event, "{json}");
        }
    }

    #[test]
    fn a_part_is_stopped_with_its_job_and_tells_nothing() {
        let seen = Mutex::new(0);
        let observer = |_: &Event| *seen.lock().unwrap() += 1;
        let cancel = Cancel::new();
        let job = Job::observed_by(&observer).cancelled_by(&cancel);
        let part = job.quiet();
        assert_eq!(part.stage(Stage::Plan), Ok(()));
        assert_eq!(*seen.lock().unwrap(), 0);
        // Another handle of the same switch.
        cancel.clone().cancel();
        assert_eq!((part.check(), job.stage(Stage::Plan)), (Err(Cancelled), Err(Cancelled)));
        assert_eq!(*seen.lock().unwrap(), 1);
        job.figure(FigureName::Macs, f64::NAN);
        assert_eq!(*seen.lock().unwrap(), 1);
        assert_eq!(Job::default().check(), Ok(()));
    }
}
