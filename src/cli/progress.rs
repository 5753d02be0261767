//! Progress: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use onnx_prune::planning::Step;
use onnx_prune::prune::Progress;

use super::{signals, terminal};

enum Show {
    Nothing,
    Lines { last: Instant },
    Bar { bar: ProgressBar, counts: bool },
}

/// Progress on standard error. While it lives, signals stop the run between two steps.
pub struct Shown {
    show: Show,
}

impl Shown {
    pub fn new(quiet: bool) -> Self {
        signals::set_asked(true);
        let show = if quiet {
            Show::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("{spinner} {msg}"));
            bar.enable_steady_tick(Duration::from_millis(120));
            Show::Bar { bar, counts: false }
        } else {
            Show::Lines { last: Instant::now() }
        };
        Shown { show }
    }

    fn goes_on(&self) -> bool {
        signals::goes_on()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        signals::set_asked(false);
        if let Show::Bar { bar, .. } = &self.show {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A stage's name in words.
fn words(stage: &str) -> &str {
    match stage {
        "load" => "reading the model",
        "analyse" => "finding shapes and groups",
        "calibrate" => "looking at activations",
        "plan" => "choosing channels",
        "time" => "timing the parts of the model",
        "sensitivity" => "making one group smaller at a time",
        "search" => "running a plan",
        "rewrite" => "removing channels",
        "write" => "writing",
        "verify" => "verifying",
        "recover" => "winning back accuracy",
        "measure" => "measuring latency",
        "commit" => "putting the file in place",
        "open" => "opening the models",
        "evaluate" => "running the models on the data",
        other => other,
    }
}

impl Shown {
    /// A stage begins; whether to go on.
    pub fn begin(&mut self, name: &str) -> bool {
        match &mut self.show {
            Show::Nothing => {}
            Show::Lines { .. } => terminal::say(words(name)),
            Show::Bar { bar, counts } => {
                if std::mem::take(counts) {
                    bar.set_style(style("{spinner} {msg}"));
                }
                bar.set_message(words(name).to_owned());
            }
        }
        self.goes_on()
    }

    /// So many samples are done, of so many if that is known; whether to go on.
    pub fn samples(&mut self, done: usize, of: Option<usize>) -> bool {
        self.count(done, of, "samples")
    }

    fn count(&mut self, done: usize, of: Option<usize>, what: &str) -> bool {
        match &mut self.show {
            Show::Nothing => {}
            Show::Lines { last } => {
                if last.elapsed() >= Duration::from_secs(10) {
                    *last = Instant::now();
                    let of = of.map_or_else(String::new, |n| format!(" of {n}"));
                    terminal::say(&format!("{done} {what}{of}"));
                }
            }
            Show::Bar { bar, counts } => {
                if !std::mem::replace(counts, true) {
                    bar.set_style(style(if of.is_some() {
                        "{spinner} {msg} [{bar:14}] {pos}/{len}, {eta} left"
                    } else {
                        "{spinner} {msg} {pos}"
                    }));
                }
                bar.set_length(of.unwrap_or(done) as u64);
                bar.set_position(done as u64);
            }
        }
        self.goes_on()
    }
}

impl Progress for Shown {
    fn stage(&mut self, name: &'static str) -> bool {
        self.begin(name)
    }

    fn step(&mut self, step: Step) -> bool {
        let left = 100.0 * step.macs;
        // Steps are counted to an empty model; the target comes earlier.
        let way = (100.0 * step.way).floor() as u64;
        match &mut self.show {
            Show::Nothing => {}
            Show::Lines { last } => {
                if last.elapsed() >= Duration::from_secs(1) {
                    *last = Instant::now();
                    terminal::say(&format!("{way} % of the way to the target, {left:.0} % of the MACs left"));
                }
            }
            Show::Bar { bar, counts } => {
                if !std::mem::replace(counts, true) {
                    bar.set_style(style("{spinner} {msg} [{bar:20}] {pos} %"));
                }
                bar.set_length(100);
                bar.set_position(way);
                bar.set_message(format!("choosing channels, {left:.0} % of the MACs left"));
            }
        }
        self.goes_on()
    }

    fn samples(&mut self, done: usize) -> bool {
        self.count(done, None, "samples")
    }

    fn layers(&mut self, done: usize, of: usize) -> bool {
        self.count(done, Some(of), "layers")
    }

    fn candidates(&mut self, done: usize, of: usize) -> bool {
        self.count(done, Some(of), "candidates")
    }

    fn parts(&mut self, done: usize, of: usize) -> bool {
        self.count(done, Some(of), "parts")
    }
}
