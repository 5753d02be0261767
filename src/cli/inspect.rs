//! `onnx-prune inspect MODEL`.

use std::fmt::Write;

use onnx_prune::report::{self, Inspection, ModelFacts, Port, text};
use onnx_prune::rewriting;

use super::args::Inspect;
use super::failure::Failure;
use super::input;
use super::terminal::{self, Stream, limit, shown, table};

pub fn run(args: &Inspect) -> Result<(), Failure> {
    let model = input::load(&args.model)?;
    let shapes = args.shapes.clone().map(|s| s.0).unwrap_or_default();
    let analysis = rewriting::analyse(&model, &shapes)?;
    let text = if args.dot {
        report::dot(&analysis)
    } else {
        let found = report::inspect(&analysis);
        if args.json { serde_json::to_string_pretty(&found)? + "\n" } else { human(&found, args.verbose)? }
    };
    Ok(terminal::print(Stream::Stdout, &text)?)
}

fn human(found: &Inspection, verbose: bool) -> Result<String, std::fmt::Error> {
    let mut out = facts(&found.model)?;
    let (rows, more) = text::inspected_rows(&found.groups, limit(verbose));
    let n = found.groups.len();
    writeln!(out, "\n{n} groups can shrink")?;
    if n > 0 {
        out += &table(text::INSPECTED_HEADS, rows, &[2, 3, 4]);
    }
    if more > 0 {
        writeln!(out, "… and {more} more (-v shows all)")?;
    }
    if !found.frozen.is_empty() {
        out.push('\n');
        out += &table(text::FROZEN_HEADS, text::frozen_rows(&found.frozen), &[1]);
    }
    for w in &found.warnings {
        writeln!(out, "warning: {}", shown(w))?;
    }
    Ok(out)
}

fn facts(m: &ModelFacts) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let opsets: Vec<String> = m
        .opsets
        .iter()
        .map(|(domain, v)| if domain.is_empty() { v.to_string() } else { format!("{} {v}", shown(domain)) })
        .collect();
    let producer = if m.producer.is_empty() { "unknown" } else { &m.producer };
    writeln!(
        out,
        "{}: opset {}, IR {}, producer {}",
        shown(&m.file),
        opsets.join(", "),
        m.ir_version,
        shown(producer)
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
    if !m.shapes.is_empty() {
        let sizes: Vec<String> = m.shapes.iter().map(|(name, n)| format!("{} = {n}", shown(name))).collect();
        writeln!(out, "figures are for {}", sizes.join(", "))?;
    }
    if !m.without_rule.is_empty() {
        let ops: Vec<String> = m.without_rule.iter().map(|(op, n)| format!("{} ({n})", shown(op))).collect();
        writeln!(out, "operators without a rule: {}", ops.join(", "))?;
    }
    Ok(out)
}

fn port(p: &Port) -> String {
    let shape = match &p.shape {
        Some(dims) => format!("[{}]", dims.join(", ")),
        None => "of unknown rank".to_owned(),
    };
    shown(&format!("{} {} {shape}", p.name, p.dtype))
}
