//! Data files that go away with the model that is replaced: those that nothing else refers to, as far as that can be
//! known. In doubt a file stays.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;

use crate::files::{parent, same_file};
use crate::onnx::proto::ModelProto;
use crate::onnx::source::Maps;
use crate::onnx::{Model, walk};

/// With more files than this in a folder, or more models, nobody looks through them.
const MANY: usize = 10_000;
const MANY_MODELS: usize = 250;
/// Protobuf writers begin with the version of the format: field 1, a number.
const FIRST: u8 = 0x08;

/// Files, beside a model, that its tensors are stored in; empty where it is no model.
pub fn data_files(path: &Path) -> Vec<PathBuf> {
    let found = locations(path).unwrap_or_default();
    found.iter().map(|location| parent(path).join(location)).filter(|file| file.is_file()).collect()
}

/// Names of the data files beside `target` that go away when it is replaced by what was made of `model`, and what is
/// to be said of those that stay.
pub(super) fn replaced(target: &Path, model: &Model) -> (Vec<OsString>, Vec<String>) {
    let (mut gone, mut notes) = (Vec::new(), Vec::new());
    let (folder, Some(name)) = (parent(target), target.file_name()) else { return (gone, notes) };
    let own = |location: &&String| is_ours(name, location) && folder.join(location).is_file();
    for location in locations(target).unwrap_or_default().iter().filter(own) {
        let file = folder.join(location);
        match reader(&file, target, model) {
            None => gone.push(OsString::from(location)),
            Some(why) => notes.push(format!("{} is kept: {why}", file.display())),
        }
    }
    (gone, notes)
}

/// Why the data file `file` of the model at `target` must stay.
fn reader(file: &Path, target: &Path, model: &Model) -> Option<String> {
    let mut read = model.maps.files();
    let in_place = match (read.next().and_then(|m| m.canonicalize().ok()), target.canonicalize()) {
        (Some(input), Ok(target)) => input == target,
        _ => false,
    };
    if !in_place && read.any(|read| same_file(read, file)) {
        return Some("the input reads its weights from it".to_owned());
    }
    let (folder, location) = (parent(target), file.file_name()?);
    let Ok(entries) = fs::read_dir(folder) else { return Some("its folder cannot be searched".to_owned()) };
    let names: Vec<OsString> = entries.take(MANY + 1).flatten().map(|e| e.file_name()).collect();
    if names.len() > MANY {
        return Some(format!("more than {MANY} files beside it may refer to it"));
    }
    let others = names.iter().filter(|n| Some(n.as_os_str()) != target.file_name() && *n != location);
    let models: Vec<PathBuf> = others.map(|name| folder.join(name)).filter(|other| may_be_model(other)).collect();
    if models.len() > MANY_MODELS {
        return Some(format!("more than {MANY_MODELS} models beside it may refer to it"));
    }
    models.iter().find_map(|other| refers(other, file))
}

/// Whether a model stores weights in `file`, or may do so.
fn refers(model: &Path, file: &Path) -> Option<String> {
    let name = model.file_name().unwrap_or_default().to_string_lossy();
    match locations(model) {
        Some(found) => {
            found.iter().any(|l| same_file(&parent(model).join(l), file)).then(|| format!("{name} refers to it"))
        }
        None => is_named_model(model).then(|| format!("{name} cannot be read, and may refer to it")),
    }
}

fn is_named_model(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
}

fn may_be_model(path: &Path) -> bool {
    let content = fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() > 0);
    content && (is_named_model(path) || begins_as_model(path))
}

fn begins_as_model(path: &Path) -> bool {
    let mut first = [0];
    let read = fs::File::open(path).and_then(|mut f| std::io::Read::read(&mut f, &mut first));
    matches!(read, Ok(1)) && first[0] == FIRST
}

/// The locations of a model's external data, as it gives them; `None` where it is no model.
fn locations(path: &Path) -> Option<BTreeSet<String>> {
    let proto = ModelProto::decode(Maps::default().map(path).ok()?).ok()?;
    let mut found = BTreeSet::new();
    // Infallible: the visitor never errs.
    let _ = walk::tensors(&proto, &mut |t, _| {
        found.extend(t.external_data.iter().filter(|e| e.key() == "location").map(|e| e.value().to_owned()));
        Ok(())
    });
    Some(found)
}

/// Whether a data file has a name that this program gives: `NAME.data` or `NAME.1.data`.
fn is_ours(name: &OsStr, location: &str) -> bool {
    let name = name.to_string_lossy();
    let middle = location.strip_prefix(&*name).and_then(|rest| rest.strip_suffix("data"));
    middle.is_some_and(|m| m == "." || m.len() > 2 && m[1..m.len() - 1].bytes().all(|b| b.is_ascii_digit()))
}
