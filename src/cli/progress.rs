//! Progress on standard error: a bar on a terminal, plain lines elsewhere, JSON where programs read it. All are fed by
//! the events of the library.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use onnx_prune::job::{Event, FigureName, Job, Observer, Progress, Stage, Unit};

use super::{signals, terminal};

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressArg {
    /// A bar on a terminal, plain lines elsewhere
    #[default]
    Auto,
    /// A bar
    Bar,
    /// Lines of text
    Plain,
    /// Each event as a line of JSON
    Json,
    /// Nothing
    None,
}

impl ProgressArg {
    /// Whether warnings are among what is shown while the job runs.
    pub fn tells_warnings(self) -> bool {
        self == ProgressArg::Json
    }
}

enum Show {
    Nothing,
    Lines { last: Instant },
    Bar { bar: ProgressBar, counts: bool },
    Json,
}

/// Progress on standard error. While it lives, signals stop the job between two steps.
pub struct Shown {
    state: Mutex<State>,
}

struct State {
    show: Show,
    /// MACs that are left, as a share.
    macs: f64,
}

impl Shown {
    /// `quiet` is the old way to say that nothing is shown.
    pub fn new(how: ProgressArg, quiet: bool) -> Self {
        signals::set_asked(true);
        let how = match how {
            ProgressArg::Auto if quiet => ProgressArg::None,
            ProgressArg::Auto if std::io::stderr().is_terminal() => ProgressArg::Bar,
            ProgressArg::Auto => ProgressArg::Plain,
            how => how,
        };
        let show = match how {
            ProgressArg::Bar => {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                bar.set_style(style("{spinner} {msg}"));
                bar.enable_steady_tick(Duration::from_millis(120));
                Show::Bar { bar, counts: false }
            }
            ProgressArg::Plain => Show::Lines { last: Instant::now() },
            ProgressArg::Json => Show::Json,
            ProgressArg::Auto | ProgressArg::None => Show::Nothing,
        };
        Shown { state: Mutex::new(State { show, macs: 1.0 }) }
    }

    /// A job that is shown here and that signals stop.
    pub fn job(&self) -> Job<'_> {
        Job::observed_by(self).cancelled_by(signals::cancel())
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        signals::set_asked(false);
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Show::Bar { bar, .. } = &state.show {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Shown {
    fn observe(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Show::Json = state.show {
            // What cannot be written as JSON is no event of ours.
            if let Ok(line) = serde_json::to_string(event) {
                terminal::say(&line);
            }
            return;
        }
        match event {
            Event::Stage { stage } => state.show.stage(*stage),
            Event::Progress(progress) => {
                let macs = state.macs;
                state.show.progress(*progress, macs);
            }
            Event::Figures { figures } => {
                let macs = figures.iter().find(|f| f.name == FigureName::Macs);
                state.macs = macs.map_or(state.macs, |f| f.value);
            }
            // Warnings are printed with the result.
            _ => {}
        }
    }
}

impl Show {
    fn stage(&mut self, stage: Stage) {
        match self {
            Show::Nothing | Show::Json => {}
            Show::Lines { .. } => terminal::say(words(stage)),
            Show::Bar { bar, counts } => {
                if std::mem::take(counts) {
                    bar.set_style(style("{spinner} {msg}"));
                }
                bar.set_message(words(stage));
            }
        }
    }

    fn progress(&mut self, progress: Progress, macs: f64) {
        let Progress { done, total, unit } = progress;
        let left = 100.0 * macs;
        match self {
            Show::Nothing | Show::Json => {}
            Show::Lines { last } => {
                let patience = if unit == Unit::Percent { 1 } else { 10 };
                if last.elapsed() >= Duration::from_secs(patience) {
                    *last = Instant::now();
                    terminal::say(&match (unit, total) {
                        (Unit::Percent, _) => {
                            format!("{done} % of the way to the target, {left:.0} % of the MACs left")
                        }
                        (_, Some(total)) => format!("{done} {} of {total}", counted(unit)),
                        (_, None) => format!("{done} {}", counted(unit)),
                    });
                }
            }
            Show::Bar { bar, counts } => {
                if !std::mem::replace(counts, true) {
                    bar.set_style(style(match (unit, total) {
                        (Unit::Percent, _) => "{spinner} {msg} [{bar:20}] {pos} %",
                        (_, Some(_)) => "{spinner} {msg} [{bar:14}] {pos}/{len}, {eta} left",
                        (_, None) => "{spinner} {msg} {pos}",
                    }));
                }
                bar.set_length(total.unwrap_or(done));
                bar.set_position(done);
                if unit == Unit::Percent {
                    bar.set_message(format!("choosing channels, {left:.0} % of the MACs left"));
                }
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What is counted, in words.
fn counted(unit: Unit) -> &'static str {
    match unit {
        Unit::Samples => "samples",
        Unit::Candidates => "candidates",
        Unit::Layers => "layers",
        Unit::Parts => "parts",
        Unit::Models => "models",
        Unit::Percent => "%",
        _ => "",
    }
}

/// A stage's name in words.
fn words(stage: Stage) -> &'static str {
    match stage {
        Stage::Load => "reading the model",
        Stage::Analyse => "finding shapes and groups",
        Stage::Data => "reading samples",
        Stage::Calibrate => "collecting activation statistics",
        Stage::Allocate => "measuring what each group costs the output",
        Stage::Try => "comparing allocations",
        Stage::Sensitivity => "making one group smaller at a time",
        Stage::Time => "timing the parts of the model",
        Stage::Search => "running a candidate",
        Stage::Plan => "choosing channels",
        Stage::Rewrite => "removing channels",
        Stage::Write => "writing",
        Stage::Verify => "verifying",
        Stage::Recover => "recovering accuracy",
        Stage::Measure => "measuring latency",
        Stage::Commit => "putting the file in place",
        Stage::Open => "opening the models",
        Stage::Evaluate => "running the models on the data",
        _ => "working",
    }
}
