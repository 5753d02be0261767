//! Parsing, and what other programs call our options.

use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use super::args::Cli;
use super::terminal::one_line;

/// Options of other pruners and runtimes, without dashes, and where the same is found here.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (
        &["flops", "macs", "target-flops", "flops-ratio", "macs-ratio", "flops-reduction"],
        "--speedup 2x: MACs before / after",
    ),
    (
        &[
            "sparsity",
            "sparsity-level",
            "target-sparsity",
            "pruning-ratio",
            "prune-ratio",
            "amount",
            "ch-sparsity",
            "channel-sparsity",
            "pruning-rate",
            "prune-rate",
        ],
        "--ratio 0.5: the share of the channels that goes",
    ),
    (&["parameters", "params-ratio", "param-ratio"], "--params 50%: the share of the parameters that stays"),
    (&["target-latency", "latency-target", "max-latency"], "--latency 5ms, or 2x"),
    (&["model-size", "max-size", "target-size", "file-size"], "--size 10MB"),
    (&["memory", "max-memory", "peak-memory"], "--activation-memory 10MB"),
    (
        &["threshold", "prune-threshold"],
        "a target, as --speedup or --ratio: channels go in the order of their scores until it is reached",
    ),
    (&["importance", "metric", "method", "pruner"], "--criterion NAME; onnx-prune criteria lists them"),
    (&["exclude", "ignore", "ignored-layers", "ignore-layers", "skip", "skip-layers", "keep"], "--protect GLOB"),
    (&["include", "layers", "nodes"], "--only GLOB"),
    (&["global-pruning", "global"], "--scheme global"),
    (&["align", "alignment", "round", "multiple", "channel-divisor"], "--round-to N"),
    (&["iterations", "iterative-steps", "epochs"], "--steps N"),
    (&["num-heads", "prune-heads", "prune-num-heads"], "--heads: whole heads go"),
    (&["model", "input-model"], "the model's path, without an option"),
    (&["out", "output-model", "output-path", "save", "save-path"], "-o FILE"),
    (&["input-shape", "input-shapes", "shape", "example-inputs"], "--shapes INPUT:AxBxC"),
    (&["dataset", "data-dir", "data-path", "calibration-data"], "--data PATH"),
    (&["num-samples", "n-samples"], "--samples N"),
    (&["batch-size"], "--batch N"),
    (&["gpu", "use-gpu"], "--device cuda"),
    (&["provider", "providers", "execution-provider", "ep"], "--device DEVICE"),
    (&["num-threads", "jobs"], "--threads N"),
    (&["silent"], "--quiet"),
    (&["debug", "log-level"], "--verbose"),
    (&["skip-verify", "skip-verification"], "--no-verify"),
];

/// Reads the command line; ends the program where there is nothing to do.
pub fn parse() -> Cli {
    match Cli::try_parse() {
        Ok(cli) => {
            // `onnx-prune inspct` reads as a model without an output.
            let model = cli.prune.model.as_deref().filter(|_| cli.command.is_none());
            if let Some(e) = model.filter(|_| cli.prune.output.is_none()).and_then(misspelt) {
                e.exit();
            }
            cli
        }
        Err(e) => explained(e).exit(),
    }
}

fn explained(mut e: clap::Error) -> clap::Error {
    if !e.use_stderr() {
        return e;
    }
    // A word that is no command was taken for a model, and all behind it for what a model cannot have.
    let first = std::env::args().nth(1).filter(|first| !first.starts_with('-'));
    if let Some(better) = first.as_deref().and_then(|first| misspelt(Path::new(first))) {
        return better;
    }
    let text = |kind| match e.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    match e.kind() {
        ErrorKind::ArgumentConflict => {
            let Some(word) = text(ContextKind::InvalidSubcommand) else { return e };
            let mut command = Cli::command();
            let why = match command.find_subcommand(&word) {
                Some(_) => format!("a command comes first, as in onnx-prune {word} MODEL"),
                None => format!("unexpected argument '{}': one model is pruned at a time", one_line(&word)),
            };
            command.error(ErrorKind::UnknownArgument, why)
        }
        ErrorKind::UnknownArgument => {
            let name = text(ContextKind::InvalidArg).and_then(|arg| Some(arg.strip_prefix("--")?.to_lowercase()));
            let name = name.map(|n| n.split('=').next().unwrap_or_default().replace('_', "-"));
            let found = name.and_then(|name| ELSEWHERE.iter().find(|(names, _)| names.contains(&name.as_str())));
            if let Some((_, here)) = found {
                e.remove(ContextKind::SuggestedArg);
                let tip = format!("what you may look for is {here}");
                e.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
            }
            e
        }
        _ => e,
    }
}

/// The error of a word that is nearly a command and no file.
fn misspelt(word: &Path) -> Option<clap::Error> {
    let text = word.to_str().filter(|text| !word.exists() && !text.contains(['.', '/', '\\']))?;
    let mut command = Cli::command();
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let near = match text {
        known if names.iter().any(|n| n == known) => return None,
        _ => names.into_iter().map(|n| (strsim::damerau_levenshtein(text, &n), n)).min()?,
    };
    let why = match near {
        (distance, name) if distance * 3 <= name.len() + 1 => {
            format!("there is no command '{text}'; did you mean '{name}'?")
        }
        _ => return None,
    };
    Some(command.error(ErrorKind::InvalidSubcommand, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_of_ours_is_called_someone_elses() {
        let command = Cli::command();
        let ours: Vec<String> = command.get_arguments().filter_map(|a| a.get_long().map(str::to_owned)).collect();
        for (names, here) in ELSEWHERE {
            for name in *names {
                assert!(!ours.iter().any(|o| o == name), "--{name}");
                assert_eq!(ELSEWHERE.iter().filter(|(n, _)| n.contains(name)).count(), 1, "--{name}");
            }
            let words = here.split([' ', ',', ':', ';']);
            for option in words.filter_map(|w| w.strip_prefix("--")) {
                assert!(ours.iter().any(|o| o == option), "--{option}");
            }
        }
    }
}
