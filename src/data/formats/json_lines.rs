use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::{Format, MOST_CLASSES, check_class};
use crate::data::dataset::{Content, Dataset, Sample, numbered};
use crate::data::split::{self, Wanted};
use crate::data::tree::Tree;
use crate::data::{Error, Label, Result};

/// JSON lines of token ids: `[101, 7592, 102]`, or `{"input_ids": […], "attention_mask": […], "label": 1}` with any
/// names of inputs. Files are splits: `train.jsonl`, `test.jsonl`.
pub struct JsonLines;

impl Format for JsonLines {
    fn name(&self) -> &'static str {
        "json-lines"
    }

    fn summary(&self) -> &'static str {
        "JSON lines of token ids (.jsonl)"
    }

    fn open(&self, tree: &Arc<Tree>, wanted: &Wanted) -> Result<Option<Box<dyn Dataset>>> {
        let files: Vec<_> = tree.entries().iter().filter(|e| e.has_extension(&["jsonl", "ndjson"])).collect();
        if files.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = split::names(files.iter().map(|f| f.stem()));
        let Some(entry) = files.get(wanted.choose(&names)?) else { return Ok(None) };
        let label = tree.label(&entry.path);
        let bytes = tree.read(entry)?;
        let mut lines = Vec::new();
        let (mut from, mut largest) = (0, None);
        for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
            let range = from..from + line.len();
            from = range.end + 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            if line.len() > LONGEST {
                let why = format!("line {} has {} bytes, more than the {LONGEST} of a sample", number + 1, line.len());
                return Err(Error::Limit { file: label, why });
            }
            // Only the classes are read now; a broken line is a bad sample later.
            if let Ok((_, Some(class))) = read(line) {
                largest = largest.max(Some(class));
            }
            lines.push((number + 1, bytes.slice(range)));
        }
        let classes = numbered(largest.map_or(0, |n| n + 1));
        Ok(Some(Box::new(Lines { label, lines, classes })))
    }
}

/// Bytes of a line: millions of token ids.
const LONGEST: usize = 16 << 20;

type Named = Vec<(String, Vec<i64>)>;

/// Names that a class has.
const LABELS: &[&str] = &["label", "labels", "class"];

fn read(line: &[u8]) -> Result<(Named, Option<usize>), String> {
    let ids = |value: &Value| -> Option<Vec<i64>> { value.as_array()?.iter().map(Value::as_i64).collect() };
    let value: Value = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let Value::Object(fields) = &value else {
        let ids = ids(&value).ok_or("it is neither a list of token ids nor an object with such lists")?;
        return Ok((vec![("input_ids".to_owned(), ids)], None));
    };
    let (mut named, mut class) = (Named::new(), None);
    for (name, value) in fields {
        if let (true, Some(label)) = (LABELS.contains(&name.as_str()), value.as_i64()) {
            class = Some(check_class(label, MOST_CLASSES)?);
        } else if let Some(ids) = ids(value) {
            named.push((name.clone(), ids));
        }
    }
    match named.iter().any(|(_, ids)| !ids.is_empty()) {
        true => Ok((named, class)),
        false => Err("it has no list of token ids".into()),
    }
}

struct Lines {
    label: String,
    /// Number in the file, and text.
    lines: Vec<(usize, Bytes)>,
    classes: Vec<String>,
}

impl Dataset for Lines {
    fn len(&self) -> usize {
        self.lines.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> String {
        let number = self.lines.get(index).map_or(index, |(number, _)| *number);
        format!("line {number} of {}", self.label)
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let bad = |why: String| Error::sample(self.name(index), why);
        let (_, line) = self.lines.get(index).ok_or_else(|| bad("there is no such sample".into()))?;
        let (tokens, class) = read(line).map_err(bad)?;
        Ok(Sample { content: Content::Tokens(tokens), target: class.map_or(Label::Unknown, Label::Class) })
    }
}
