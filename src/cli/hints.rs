//! What settings that messages point to are called on the command line.

use onnx_prune::hint::Hint;

/// The option, or the command.
pub fn words(hint: Hint) -> &'static str {
    match hint {
        Hint::Against => "--against",
        Hint::Axes => "--axes",
        Hint::Batch => "--batch",
        Hint::Data => "--data",
        Hint::DropInitializerInputs => "--drop-initializer-inputs",
        Hint::Floor => "--floor",
        Hint::Inspect => "inspect -v",
        Hint::MaxBad => "--max-bad",
        Hint::Only => "--only",
        Hint::OrtLibrary => "--ort-library",
        Hint::Preprocess => "--preprocess",
        Hint::Protect => "--protect",
        Hint::RatioFor => "--ratio-for",
        Hint::Reduction => "--reduction",
        Hint::Refit => "--refit",
        Hint::RoundTo => "--round-to",
        Hint::RunTimeout => "--run-timeout",
        Hint::Seed => "--seed",
        Hint::Shapes => "--shapes",
        Hint::Speedup => "--speedup",
        Hint::Split => "--split",
        Hint::StripDebug => "--strip-debug",
        // Names of settings are those of options, but for the dashes.
        _ => "an option (see --help)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_hint_is_an_option() {
        let mut whole = super::super::args::Cli::command();
        whole.build();
        let commands = std::iter::once(&whole).chain(whole.get_subcommands());
        let options: Vec<String> =
            commands.flat_map(|c| c.get_arguments()).filter_map(|a| Some(format!("--{}", a.get_long()?))).collect();
        for hint in Hint::ALL {
            let word = words(hint);
            assert!(word == "inspect -v" || options.iter().any(|o| o == word), "{hint:?}: {word}");
        }
    }
}
