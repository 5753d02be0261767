//! A walk over the encoded bytes for what the decoder does not tell: where a file is cut off, and fields that the
//! schema does not know. Contents of known leaf fields are skipped without being read.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Error, Result};

#[allow(dead_code, reason = "types and labels serve the test that compares the schema with a release")]
pub(crate) struct FieldInfo {
    pub number: i32,
    pub name: &'static str,
    pub ty: &'static str,
    pub label: &'static str,
    /// Index of the field's message in `MESSAGES`.
    pub message: Option<usize>,
}

pub(crate) struct MessageInfo {
    pub name: &'static str,
    pub fields: &'static [FieldInfo],
}

include!(concat!(env!("OUT_DIR"), "/schema.rs"));

/// Encoded fields that the schema does not know, kept to be written again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownFields {
    /// Of the model itself.
    pub model: Vec<Bytes>,
    /// Of the main graph itself.
    pub graph: Vec<Bytes>,
}

/// Nesting beyond this is refused by the decoder too.
const MAX_DEPTH: usize = 100;

/// Errors when the outermost fields do not fit into the file: the sign of a cut download.
pub(crate) fn check_complete(bytes: &[u8], path: &std::path::Path) -> Result<()> {
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let Some((number, wire, value)) = key(bytes, &mut at) else { return Ok(()) };
        let missing = |n: usize| Error::Truncated {
            path: path.to_owned(),
            why: format!("field {number} at byte {start} needs {n} bytes, {} are left", bytes.len() - value),
        };
        let left = bytes.len() - value;
        match wire {
            2 => {
                let mut inner = value;
                match varint(bytes, &mut inner) {
                    Some(len) if len > (bytes.len() - inner) as u64 && len <= i32::MAX as u64 => {
                        return Err(missing(len as usize));
                    }
                    Some(_) => {}
                    None => return Ok(()),
                }
            }
            1 if left < 8 => return Err(missing(8)),
            5 if left < 4 => return Err(missing(4)),
            _ => {}
        }
        match skip(bytes, value, wire) {
            Some(end) => at = end,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// What the walk finds.
#[derive(Default)]
pub(crate) struct Scan {
    pub unknown: UnknownFields,
    /// Message type and field number of each kind of unknown field: the first path, how many, whether kept.
    kinds: BTreeMap<(&'static str, u64), (String, usize)>,
}

impl Scan {
    /// Walks over a model that the decoder has accepted.
    pub(crate) fn new(bytes: &Bytes) -> Self {
        let mut scan = Scan::default();
        if let Some(model) = MESSAGES.iter().position(|m| m.name == "ModelProto") {
            scan.message(bytes, 0..bytes.len(), model, &mut Vec::new());
        }
        scan
    }

    /// One line per kind of unknown field.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let line = |(&(message, number), (path, count)): (&(&str, u64), &(String, usize))| {
            let more = if *count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            let fate = if matches!(path.as_str(), "ModelProto" | "ModelProto.graph") { "kept" } else { "dropped" };
            format!("{path}: field {number} of {message} is not in the known format, it is {fate}{more}")
        };
        self.kinds.iter().map(line).collect()
    }

    fn message(&mut self, bytes: &Bytes, range: std::ops::Range<usize>, index: usize, path: &mut Vec<(usize, usize)>) {
        let (info, mut at) = (&MESSAGES[index], range.start);
        let buffer = &bytes[..range.end];
        let mut counts = vec![0usize; info.fields.len()];
        while at < range.end {
            let start = at;
            let Some((number, wire, value)) = key(buffer, &mut at) else { return };
            let Some(end) = skip(buffer, value, wire) else { return };
            at = end;
            let Some(f) = info.fields.iter().position(|f| u64::from(f.number.unsigned_abs()) == number) else {
                self.found(path, info.name, number, bytes.slice(start..end));
                continue;
            };
            if let (Some(inner), 2, true) = (info.fields[f].message, wire, path.len() < MAX_DEPTH) {
                let mut subgraph = value;
                if varint(buffer, &mut subgraph).is_some() {
                    path.push((index, f << 32 | counts[f]));
                    self.message(bytes, subgraph..end, inner, path);
                    path.pop();
                }
            }
            counts[f] += 1;
        }
    }

    fn found(&mut self, path: &[(usize, usize)], message: &'static str, number: u64, field: Bytes) {
        let entry = self.kinds.entry((message, number)).or_insert_with(|| (describe(path), 0));
        entry.1 += 1;
        match path {
            [] => self.unknown.model.push(field),
            [_] if message == "GraphProto" => self.unknown.graph.push(field),
            _ => {}
        }
    }
}

/// `ModelProto.graph.node[12]`.
fn describe(path: &[(usize, usize)]) -> String {
    path.iter().fold(String::from("ModelProto"), |text, &(message, place)| {
        let field = &MESSAGES[message].fields[place >> 32];
        match field.label {
            "repeated" => format!("{text}.{}[{}]", field.name, place & 0xffff_ffff),
            _ => format!("{text}.{}", field.name),
        }
    })
}

/// Field number, wire type, start of the value.
fn key(bytes: &[u8], at: &mut usize) -> Option<(u64, u8, usize)> {
    let key = varint(bytes, at)?;
    Some((key >> 3, (key & 7) as u8, *at))
}

/// End of a value that starts at `at`; `None` when it does not fit or is a group that does not close.
fn skip(bytes: &[u8], mut at: usize, wire: u8) -> Option<usize> {
    let mut open = 0usize;
    let mut wire = wire;
    loop {
        match wire {
            0 => {
                varint(bytes, &mut at)?;
            }
            1 => at = at.checked_add(8)?,
            2 => {
                let len = usize::try_from(varint(bytes, &mut at)?).ok()?;
                at = at.checked_add(len)?;
            }
            3 => open += 1,
            4 => open = open.checked_sub(1)?,
            5 => at = at.checked_add(4)?,
            _ => return None,
        }
        if at > bytes.len() {
            return None;
        }
        if open == 0 {
            return Some(at);
        }
        wire = key(bytes, &mut at)?.1;
    }
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_covers_the_newest_release() {
        let list = include_str!("../../schemas/onnx-fields.txt");
        let mut released: Vec<&str> = list.lines().filter(|l| !l.starts_with('#')).collect();
        let mut ours: Vec<String> = Vec::new();
        for m in MESSAGES {
            ours.extend(m.fields.iter().map(|f| format!("{}.{} {} {} {}", m.name, f.name, f.number, f.ty, f.label)));
        }
        for (name, values) in ENUMS {
            ours.extend(values.iter().map(|(value, number)| format!("{name}.{value} {number} value enum")));
        }
        released.sort_unstable();
        ours.sort_unstable();
        let missing: Vec<_> = released.iter().filter(|l| !ours.iter().any(|o| o == *l)).collect();
        let invented: Vec<_> = ours.iter().filter(|o| !released.contains(&o.as_str())).collect();
        assert!(missing.is_empty() && invented.is_empty(), "missing {missing:#?}, invented {invented:#?}");
        let newest = format!("IR version {}, opset {}", super::super::NEWEST_IR, super::super::NEWEST_OPSET);
        assert!(list.starts_with("# onnx ") && list.lines().next().unwrap().ends_with(&newest));
    }
}
