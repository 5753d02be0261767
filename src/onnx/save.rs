//! Writing a model so that no reader ever sees half of it.
//!
//! A model is staged in a hidden folder beside the target (`.NAME.onnx-prune-XXXX.tmp`), under its final file names,
//! synced, and then renamed into place: data first, model last. Until the last rename the target is what it was.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::TempDir;

use super::proto::tensor_proto::DataLocation;
use super::proto::{ModelProto, StringStringEntryProto, TensorProto};
use super::walk::{self, Place};
use super::{Error, Model, Result, emit};

/// Where weights go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// As the model was read; one file for a model built in memory. Models beyond the inline limit go outside.
    #[default]
    AsInput,
    /// Everything in one file; an error beyond the inline limit.
    Inline,
    /// Weights in one data file beside the model.
    External,
}

/// How a model is written.
#[derive(Clone, Debug)]
pub struct SaveOptions {
    /// Where weights go.
    pub layout: Layout,
    /// Tensors of fewer bytes stay in the model when weights go outside.
    pub external_from: usize,
    /// Size in bytes that a single model file may not exceed: protobuf ends at 2 GiB.
    pub inline_limit: u64,
}

impl Default for SaveOptions {
    fn default() -> Self {
        SaveOptions { layout: Layout::AsInput, external_from: 1024, inline_limit: i32::MAX as u64 }
    }
}

/// Writes a model atomically. Returns the bytes written, data file included. The target may be the file that the
/// model was read from.
pub fn save(model: &Model, path: &Path, options: &SaveOptions) -> Result<u64> {
    stage(model, path, options)?.commit()
}

/// Writes a model, in one piece, to a stream such as standard output. Returns the bytes written. Errors when it
/// exceeds 2 GiB.
pub fn write_to(model: &Model, out: &mut dyn Write) -> Result<u64> {
    let name = Path::new("<output>");
    let limit = SaveOptions::default().inline_limit;
    check_limit(&model.proto, model, limit).map_err(|why| Error::output(name, why))?;
    let mut out = Counting { out: BufWriter::with_capacity(BUFFER, out), bytes: 0 };
    emit::model(&model.proto, &model.unknown, &mut out)
        .and_then(|()| out.flush())
        .map_err(|e| Error::output(name, e))?;
    Ok(out.bytes)
}

const BUFFER: usize = 1 << 18;

/// A model written in full but not yet in place. Dropping it removes it.
#[derive(Debug)]
pub struct Staged {
    folder: TempDir,
    target: PathBuf,
    model: PathBuf,
    data: Option<OsString>,
    bytes: u64,
}

/// Writes a model into a hidden folder beside `path`, from where it can be loaded and checked before it is put in
/// place by [`Staged::commit`].
pub fn stage(model: &Model, path: &Path, options: &SaveOptions) -> Result<Staged> {
    let fail = |why: &dyn std::fmt::Display| Error::output(path, why);
    let name = path.file_name().ok_or_else(|| fail(&"it has no file name"))?;
    if path.is_dir() {
        return Err(fail(&"it is a folder"));
    }
    let parent = parent(path);
    let prefix = format!(".{}.onnx-prune-", name.to_string_lossy());
    let folder = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        .tempdir_in(parent)
        .map_err(|e| fail(&format!("{}: {e}", parent.display())))?;
    let staged = folder.path().join(name);

    let outside = |proto: &ModelProto| -> Result<Option<(Plan, OsString)>> {
        let whole_fits = emit::model_len(proto, &model.unknown) <= options.inline_limit;
        let (wanted, attributes) = match (options.layout, &model.external) {
            (Layout::Inline, _) => (false, false),
            (Layout::AsInput, None) => (!whole_fits, !whole_fits),
            (_, found) => (true, !whole_fits || found.as_ref().is_some_and(|e| e.attributes)),
        };
        let align = model.external.as_ref().map_or(64, |e| e.alignment.max(64));
        match wanted {
            true => {
                let data = free_data_name(parent, name);
                Ok(Some((plan(proto, &data.to_string_lossy(), align, attributes, options.external_from)?, data)))
            }
            false => Ok(None),
        }
    };
    let mut bytes = 0;
    let mut data = None;
    match outside(&model.proto)? {
        Some((plan, data_name)) if !plan.pieces.is_empty() => {
            check_limit(&plan.proto, model, options.inline_limit).map_err(|why| fail(&why))?;
            let file = folder.path().join(&data_name);
            bytes += write_file(&file, |out| plan.write_data(out)).map_err(|e| fail(&e))?;
            bytes += write_file(&staged, |out| emit::model(&plan.proto, &model.unknown, out)).map_err(|e| fail(&e))?;
            data = Some(data_name);
        }
        _ => {
            check_limit(&model.proto, model, options.inline_limit).map_err(|why| fail(&why))?;
            bytes += write_file(&staged, |out| emit::model(&model.proto, &model.unknown, out)).map_err(|e| fail(&e))?;
        }
    }
    sync_folder(folder.path()).map_err(|e| fail(&e))?;
    Ok(Staged { folder, target: path.to_owned(), model: staged, data, bytes })
}

impl Staged {
    /// The staged model; it can be loaded as it stands, its data file lies beside it.
    pub fn model_path(&self) -> &Path {
        &self.model
    }

    /// Size in bytes, data file included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts the files in place. Returns their size in bytes. After an error the target is what it was.
    pub fn commit(self) -> Result<u64> {
        let fail = |e: io::Error| Error::output(&self.target, e);
        let parent = parent(&self.target);
        let replaced = fs::metadata(&self.target).ok();
        if let Some(old) = &replaced {
            // Best effort: a copy to another owner's file keeps the default mode.
            let _ = fs::set_permissions(&self.model, old.permissions());
        }
        let old_data = if replaced.is_some() { data_files(parent, &self.target) } else { BTreeSet::new() };
        if let Some(data) = &self.data {
            let target = parent.join(data);
            if target.exists() {
                return Err(Error::output(&target, "it appeared while the model was written"));
            }
            fs::rename(self.folder.path().join(data), target).map_err(fail)?;
            sync_folder(parent).map_err(fail)?;
        }
        if let Err(e) = fs::rename(&self.model, &self.target) {
            if let Some(data) = &self.data {
                let _ = fs::remove_file(parent.join(data));
            }
            return Err(fail(e));
        }
        sync_folder(parent).map_err(fail)?;
        // The replaced model was the only reader of its data file.
        for name in old_data.iter().filter(|&name| Some(name) != self.data.as_ref()) {
            let _ = fs::remove_file(parent.join(name));
        }
        Ok(self.bytes)
    }
}

/// Which tensors go outside, and where.
struct Plan {
    proto: ModelProto,
    /// Offset and contents, ascending.
    pieces: Vec<(u64, Bytes)>,
}

impl Plan {
    fn write_data(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut at = 0;
        for (offset, bytes) in &self.pieces {
            io::copy(&mut io::Read::take(io::repeat(0), offset - at), out)?;
            out.write_all(bytes)?;
            at = offset + bytes.len() as u64;
        }
        Ok(())
    }
}

fn plan(proto: &ModelProto, data: &str, align: u64, attributes: bool, from: usize) -> Result<Plan> {
    // Raw data is shared, not copied.
    let mut plan = Plan { proto: proto.clone(), pieces: Vec::new() };
    let mut end = 0u64;
    let pieces = &mut plan.pieces;
    walk::tensors_mut(&mut plan.proto, &mut |t, place| {
        let allowed = place == Place::Initializer || attributes && place == Place::Attribute;
        if let Some(raw) = t.raw_data.take_if(|raw| allowed && raw.len() >= from.max(1)) {
            let offset = end.next_multiple_of(align);
            end = offset + raw.len() as u64;
            refer(t, data, offset, raw.len());
            pieces.push((offset, raw));
        }
        Ok(())
    })?;
    Ok(plan)
}

fn refer(t: &mut TensorProto, location: &str, offset: u64, length: usize) {
    let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
    t.data_location = Some(DataLocation::External as i32);
    t.external_data = vec![
        entry("location", location.to_owned()),
        entry("offset", offset.to_string()),
        entry("length", length.to_string()),
    ];
}

fn check_limit(proto: &ModelProto, model: &Model, limit: u64) -> std::result::Result<(), String> {
    let len = emit::model_len(proto, &model.unknown);
    if len <= limit {
        return Ok(());
    }
    Err(format!("one file of {len} bytes exceeds the limit of {limit}; the format needs external data"))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `NAME.data`, or `NAME.1.data` and so on while another file has that name: a model that is being replaced must find
/// its own data until the moment it is replaced.
fn free_data_name(parent: &Path, name: &std::ffi::OsStr) -> OsString {
    let numbered = |n: u64| {
        let mut data = name.to_owned();
        data.push(if n == 0 { ".data".to_owned() } else { format!(".{n}.data") });
        data
    };
    (0..).map(numbered).find(|data| fs::symlink_metadata(parent.join(data)).is_err()).unwrap_or_else(|| numbered(0))
}

/// Data files that the model at `path` refers to and that have names this program gives.
fn data_files(parent: &Path, path: &Path) -> BTreeSet<OsString> {
    let Some(name) = path.file_name().map(|n| n.to_string_lossy().into_owned()) else { return BTreeSet::new() };
    let ours = |location: &str| {
        let middle = location.strip_prefix(&name).and_then(|rest| rest.strip_suffix("data"));
        middle.is_some_and(|m| m == "." || m.len() > 2 && m[1..m.len() - 1].bytes().all(|b| b.is_ascii_digit()))
    };
    let mut found = BTreeSet::new();
    let old = super::source::Maps::default()
        .map(path)
        .ok()
        .and_then(|bytes| <ModelProto as prost::Message>::decode(bytes).ok());
    if let Some(old) = old {
        // Infallible: the visitor never errs.
        let _ = walk::tensors(&old, &mut |t, _| {
            let location = t.external_data.iter().filter(|e| e.key() == "location").map(|e| e.value());
            found.extend(location.filter(|l| ours(l) && parent.join(l).is_file()).map(OsString::from));
            Ok(())
        });
    }
    found
}

fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<u64> {
    let mut out = Counting { out: BufWriter::with_capacity(BUFFER, File::create_new(path)?), bytes: 0 };
    write(&mut out)?;
    out.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(out.bytes)
}

/// Makes renames durable. Folders cannot be opened everywhere; where they can, errors count.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

struct Counting<W: Write> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.out.write(buf)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
