//! Tables and streams.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use onnx_prune::escape;
use serde::Serialize;

/// Rows of a long table that are shown without -v.
pub const ROWS: usize = 30;

/// How many rows to show.
pub fn limit(verbose: bool) -> usize {
    if verbose { usize::MAX } else { ROWS }
}

/// A table without frames; columns in `numbers` are aligned to the right.
pub fn table<const N: usize>(heads: [&str; N], rows: Vec<[String; N]>, numbers: &[usize]) -> String {
    let heads = heads.map(str::to_owned).to_vec();
    columns(heads, rows.into_iter().map(Vec::from).collect(), numbers)
}

/// [`table`] with as many columns as there are heads.
pub fn columns(heads: Vec<String>, rows: Vec<Vec<String>>, numbers: &[usize]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heads);
    table.add_rows(rows.into_iter().map(|row| row.into_iter().map(|cell| shown(&cell)).collect::<Vec<_>>()));
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if numbers.contains(&i) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    let text = table.to_string();
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Names come from files: control characters would reach the terminal. Lines stay lines.
pub fn shown(text: &str) -> String {
    escape::lines(text).into_owned()
}

/// The same on one line: for names.
pub fn one_line(text: &str) -> String {
    escape::line(text).into_owned()
}

/// A value as JSON, with nothing in it that acts on a terminal.
pub fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(escape::json(&text).into_owned() + "\n")
}

/// Says on standard error what the user should know. A line that a name brings along cannot pass for another message.
pub fn warn(warnings: &[String]) {
    warnings.iter().for_each(|w| say(&format!("warning: {}", shown(w).replace('\n', "\n  "))));
}

/// Where text goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Prints; a reader that has seen enough is no error.
pub fn print(to: Stream, text: &str) -> io::Result<()> {
    let result = match to {
        Stream::Stdout => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        }
        Stream::Stderr => io::stderr().lock().write_all(text.as_bytes()),
    };
    match result {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// A line on standard error. That nobody reads it is no reason to fail.
pub fn say(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Whether binary data on standard output would land on a screen.
pub fn stdout_is_screen() -> bool {
    io::stdout().is_terminal()
}
