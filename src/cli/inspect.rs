//! `onnx-prune inspect MODEL`.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use onnx_prune::analysis::Sharing;
use onnx_prune::report::{self, DimSize, Inspection, ModelFacts, Port, text};
use onnx_prune::rewriting;

use super::command::Run;
use super::failure::Failure;
use super::input;
use super::prune::read_recipe;
use super::terminal::{self, Stream, limit, one_line, table};
use super::values;

#[derive(Args)]
pub struct Inspect {
    /// Model to look at; - reads standard input
    pub model: PathBuf,
    /// Print as JSON
    #[arg(long, conflicts_with = "dot")]
    pub json: bool,
    /// Print the groups as a Graphviz digraph
    #[arg(long)]
    pub dot: bool,
    /// With --dot: show each group's channels before and after, as a report of pruning this model tells
    #[arg(long, value_name = "JSON", requires = "dot")]
    pub report: Option<PathBuf>,
    /// Sizes of open input dimensions, by input or by name [default: batch 1, assumed sizes, which are reported]
    #[arg(long, value_name = "INPUT:AxBxC|NAME=N,...", value_parser = values::shapes)]
    pub shapes: Option<values::ShapeList>,
    /// Let layers that share a weight keep different channels, as --untie of pruning does
    #[arg(long)]
    pub untie: bool,
    /// Show every group, and its members: which axis of which initializer, at which node, in which role
    #[arg(short, long)]
    pub verbose: bool,
}

impl Run for Inspect {
    fn run(&self) -> Result<ExitCode, Failure> {
        run(self)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn run(args: &Inspect) -> Result<(), Failure> {
    let model = input::load(&args.model)?;
    let shapes = args.shapes.clone().map(|s| s.0).unwrap_or_default();
    let sharing = if args.untie { Sharing::Apart } else { Sharing::Tied };
    let analysis = rewriting::analyse(&model, &shapes, sharing)?;
    let text = if args.dot {
        let recipe = args.report.as_deref().map(read_recipe).transpose()?;
        report::dot(&analysis, recipe.as_ref())?
    } else {
        let found = report::inspect(&analysis);
        if args.json {
            terminal::json(&found)?
        } else {
            terminal::print(Stream::Stdout, &human(&found, args.verbose)?)?;
            terminal::warn(&found.warnings);
            return Ok(());
        }
    };
    Ok(terminal::print(Stream::Stdout, &text)?)
}

fn human(found: &Inspection, verbose: bool) -> Result<String, std::fmt::Error> {
    let mut out = facts(&found.model)?;
    let (rows, more) = text::inspected_rows(&found.groups, limit(verbose));
    let n = found.groups.len();
    writeln!(out, "\n{n} groups can shrink")?;
    if n > 0 {
        out += &table(text::INSPECTED_HEADS, rows, &[3, 4, 5]);
    }
    if more > 0 {
        writeln!(out, "… and {more} more (-v shows all)")?;
    }
    if !found.frozen.is_empty() {
        out.push('\n');
        out += &table(text::FROZEN_HEADS, text::frozen_rows(&found.frozen), &[1]);
    }
    if verbose && n > 0 {
        out.push('\n');
        out += &table(text::MEMBER_HEADS, text::member_rows(&found.groups), &[3]);
    }
    Ok(out)
}

fn facts(m: &ModelFacts) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let opsets: Vec<String> = m
        .opsets
        .iter()
        .map(|(domain, v)| if domain.is_empty() { v.to_string() } else { format!("{} {v}", one_line(domain)) })
        .collect();
    let producer = if m.producer.is_empty() { "unknown" } else { &m.producer };
    writeln!(
        out,
        "{}: opset {}, IR {}, producer {}",
        one_line(&m.file),
        opsets.join(", "),
        m.ir_version,
        one_line(producer)
    )?;
    m.inputs.iter().try_for_each(|p| writeln!(out, "input   {}", port(p)))?;
    m.outputs.iter().try_for_each(|p| writeln!(out, "output  {}", port(p)))?;
    let (bytes, initializers) = (text::bytes(m.initializer_bytes as f64), m.initializers);
    writeln!(
        out,
        "{} nodes, {initializers} initializers of {bytes}, file {}",
        m.nodes,
        text::bytes(m.file_bytes as f64)
    )?;
    let (macs, params) = (text::count(m.macs), text::count(m.params));
    writeln!(out, "{macs} MACs, {params} parameters, peak activations {}", text::bytes(m.activation_bytes))?;
    if let Some(left_out) = text::uncounted(&m.uncounted) {
        writeln!(out, "{}", one_line(&left_out))?;
    }
    if !m.shapes.is_empty() {
        let sizes: Vec<String> = m.shapes.iter().map(|(name, n)| format!("{} = {n}", one_line(name))).collect();
        writeln!(out, "figures are for {}", sizes.join(", "))?;
    }
    if !m.without_rule.is_empty() {
        let ops: Vec<String> = m.without_rule.iter().map(|(op, n)| format!("{} ({n})", one_line(op))).collect();
        writeln!(out, "operators without a rule: {}", ops.join(", "))?;
    }
    Ok(out)
}

fn port(p: &Port) -> String {
    let shape = match &p.shape {
        Some(dims) => format!("[{}]", dims.iter().map(DimSize::to_string).collect::<Vec<_>>().join(", ")),
        None => "of unknown rank".to_owned(),
    };
    one_line(&format!("{} {} {shape}", p.name, p.dtype))
}
