//! Options that say what to aim at: one for each target in the library's table, and what must be kept.

use clap::builder::ValueParser;
use clap::{Arg, ArgGroup, ArgMatches, Args, Command, FromArgMatches};

use onnx_prune::planning::targets::{self, Goal, Setting, Speedup, Targets};
use onnx_prune::planning::{Keep, Target};

/// The group of all options that name a target.
const GROUP: &str = "target";

/// What to aim at.
pub struct TargetArgs {
    goals: Vec<Goal>,
    keep: Option<Keep>,
}

impl TargetArgs {
    /// The figures to reach; where something is to be kept, any.
    pub fn given(&self) -> Option<Targets> {
        let any = self.keep.map(|_| Targets::one(&Speedup, 1.0));
        Targets::all(self.goals.iter().copied()).or(any)
    }

    /// Whether a target was given by its option.
    pub fn has(&self, target: &dyn Target) -> bool {
        self.goals.iter().any(|g| g.target.setting() == target.setting())
    }

    /// What is to be kept.
    pub fn keep(&self) -> Option<Keep> {
        self.keep
    }
}

/// Names of all options, for a message where none was given.
pub fn choices() -> String {
    let mut names: Vec<String> = targets::settings().map(|s| format!("--{}", s.option)).collect();
    names.extend(keeps().into_iter().map(|k| format!("--{}", k.name)));
    let last = names.pop().unwrap_or_default();
    format!("{} or {last}", names.join(", "))
}

fn option(setting: &'static Setting) -> Arg {
    let name = setting.option;
    Arg::new(name)
        .long(name)
        .value_name(setting.value)
        .help(setting.help)
        .value_parser(ValueParser::new(move |text: &str| targets::parse(name, text)))
        .allow_negative_numbers(true)
}

/// An option for what must be kept.
struct KeepOption {
    name: &'static str,
    help: &'static str,
    parse: fn(&str) -> Result<Keep, onnx_prune::planning::Error>,
}

/// What is kept is told on data.
fn keeps() -> Vec<KeepOption> {
    if cfg!(not(feature = "data")) {
        return Vec::new();
    }
    vec![
        KeepOption {
            name: "min-agreement",
            help: "The smallest model that still gives this share of the original's answers (or this cosine of its \
                   outputs) on part of --data, as in 0.9 or 90%; no other target goes with it",
            parse: Keep::agreement,
        },
        KeepOption {
            name: "max-drop",
            help: "The smallest model that loses at most this much accuracy on part of --data, which needs labels, as \
                   in 1%; no other target goes with it",
            parse: Keep::drop,
        },
    ]
}

impl Args for TargetArgs {
    fn augment_args(command: Command) -> Command {
        let group = ArgGroup::new(GROUP).multiple(true).args(targets::settings().map(|s| s.option));
        let mut command = command.args(targets::settings().map(option)).group(group);
        for KeepOption { name, help, parse } in keeps() {
            let others = keeps().into_iter().map(|k| k.name).filter(|other| *other != name);
            let arg = Arg::new(name)
                .long(name)
                .value_name("SHARE")
                .help(help)
                .value_parser(ValueParser::new(parse))
                .allow_negative_numbers(true)
                .requires("data")
                .conflicts_with(GROUP)
                .conflicts_with_all(others);
            command = command.arg(arg);
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TargetArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let goals = targets::settings().filter_map(|s| matches.get_one::<Goal>(s.option).copied()).collect();
        let keep = keeps().into_iter().find_map(|k| matches.get_one::<Keep>(k.name).copied());
        Ok(TargetArgs { goals, keep })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
