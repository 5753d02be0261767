//! Writing a model so that no reader ever sees half of it.
//!
//! A model is staged in a hidden folder beside the target, under its final file names, synced, and then put in place:
//! data first, model last. Until the last rename the target is what it was. What the model that is being saved was
//! read from is neither removed nor replaced, but for the model file itself.

mod outside;
mod replaced;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::proto::ModelProto;
use super::{Error, Model, Result, emit};
use crate::files::{self, OutputPlace, Staging};
use outside::{DataPlan, plan};

pub use replaced::data_files;

/// Where weights go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightLayout {
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
    pub layout: WeightLayout,
    /// Tensors of fewer bytes stay in the model when weights go outside.
    pub external_from: usize,
    /// Size in bytes that a single model file may not exceed: protobuf ends at 2 GiB.
    pub inline_limit: u64,
}

impl Default for SaveOptions {
    fn default() -> Self {
        SaveOptions { layout: WeightLayout::AsInput, external_from: 1024, inline_limit: i32::MAX as u64 }
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
    staging: Staging,
    model: PathBuf,
    target: SaveTarget,
    data: Option<OsString>,
    bytes: u64,
}

#[derive(Debug)]
enum SaveTarget {
    /// A file, with the data files that go away with the model that it replaces, and what is to be told of others.
    File {
        path: PathBuf,
        replaced: Vec<OsString>,
        notes: Vec<String>,
    },
    /// A device or a pipe.
    Through(PathBuf),
    Nowhere,
}

/// Writes a model into a hidden folder beside `path`, from where it can be loaded and checked before it is put in
/// place by [`Staged::commit`]. Links are followed. For a device or a pipe the folder is one for temporary files, and
/// the model is in one piece.
pub fn stage(model: &Model, path: &Path, options: &SaveOptions) -> Result<Staged> {
    match OutputPlace::of(path).map_err(|e| Error::output(path, e))? {
        OutputPlace::File(target) => {
            if model.maps.files().skip(1).any(|read| files::same_file(read, &target)) {
                return Err(Error::output(path, "weights of the input are in it"));
            }
            let mut staged = write_beside(model, &target, options)?;
            let (replaced, notes) = replaced::replaced(&target, model);
            staged.target = SaveTarget::File { path: target, replaced, notes };
            Ok(staged)
        }
        OutputPlace::Through(_) => {
            let options = SaveOptions { layout: WeightLayout::Inline, ..options.clone() };
            Ok(Staged { target: SaveTarget::Through(path.to_owned()), ..stage_temporary(model, &options)? })
        }
    }
}

/// Writes a model into a folder for temporary files, from where it can be loaded. It is never put in place.
pub fn stage_temporary(model: &Model, options: &SaveOptions) -> Result<Staged> {
    write_beside(model, &std::env::temp_dir().join("model.onnx"), options)
}

fn write_beside(model: &Model, target: &Path, options: &SaveOptions) -> Result<Staged> {
    let fail = |why: &dyn std::fmt::Display| Error::output(target, why);
    let name = target.file_name().ok_or_else(|| fail(&"it has no file name"))?;
    let staging = Staging::beside(target).map_err(|e| fail(&e))?;
    let outside = |proto: &ModelProto| -> Result<Option<(DataPlan, OsString)>> {
        let whole_fits = emit::model_len(proto, &model.unknown) <= options.inline_limit;
        let (wanted, attributes) = match (options.layout, &model.external) {
            (WeightLayout::Inline, _) => (false, false),
            (WeightLayout::AsInput, None) => (!whole_fits, !whole_fits),
            (_, found) => (true, !whole_fits || found.as_ref().is_some_and(|e| e.attributes)),
        };
        let align = model.external.as_ref().map_or(64, |e| e.alignment.max(64));
        match wanted {
            true => {
                let data = free_data_name(files::parent(target), name);
                Ok(Some((plan(proto, &data.to_string_lossy(), align, attributes, options.external_from)?, data)))
            }
            false => Ok(None),
        }
    };
    let mut bytes = 0;
    let mut data = None;
    let file = staging.file();
    match outside(&model.proto)? {
        Some((plan, data_name)) if !plan.pieces.is_empty() => {
            check_limit(&plan.proto, model, options.inline_limit).map_err(|why| fail(&why))?;
            let data_file = staging.path().join(&data_name);
            bytes += write_file(&data_file, |out| plan.write_data(out)).map_err(|e| fail(&e))?;
            bytes += write_file(&file, |out| emit::model(&plan.proto, &model.unknown, out)).map_err(|e| fail(&e))?;
            data = Some(data_name);
        }
        _ => {
            check_limit(&model.proto, model, options.inline_limit).map_err(|why| fail(&why))?;
            bytes += write_file(&file, |out| emit::model(&model.proto, &model.unknown, out)).map_err(|e| fail(&e))?;
        }
    }
    files::sync_folder(staging.path()).map_err(|e| fail(&e))?;
    Ok(Staged { staging, model: file, target: SaveTarget::Nowhere, data, bytes })
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

    /// What the user should know: data files of the replaced model that are kept, and why.
    pub fn notes(&self) -> &[String] {
        if let SaveTarget::File { notes, .. } = &self.target { notes } else { &[] }
    }

    /// Puts the files in place. Returns their size in bytes. After an error the target is what it was, unless it is a
    /// device or a pipe.
    pub fn commit(self) -> Result<u64> {
        match &self.target {
            SaveTarget::File { path, replaced, .. } => {
                self.staging.place(self.data.as_deref(), replaced).map_err(|e| Error::output(path, e))?;
            }
            SaveTarget::Through(path) => {
                let fail = |e: io::Error| Error::output(path, e);
                let mut from = File::open(&self.model).map_err(fail)?;
                io::copy(&mut from, &mut files::open_through(path).map_err(fail)?).map_err(fail)?;
            }
            SaveTarget::Nowhere => {}
        }
        Ok(self.bytes)
    }
}

fn check_limit(proto: &ModelProto, model: &Model, limit: u64) -> std::result::Result<(), String> {
    let len = emit::model_len(proto, &model.unknown);
    if len <= limit {
        return Ok(());
    }
    Err(format!("one file of {len} bytes exceeds the limit of {limit}; the format needs external data"))
}

/// `NAME.data`, or `NAME.1.data` and so on while another file has that name: a model that is being replaced must find
/// its own data until the moment it is replaced.
fn free_data_name(parent: &Path, name: &OsStr) -> OsString {
    let numbered = |n: u64| {
        let mut data = name.to_owned();
        data.push(if n == 0 { ".data".to_owned() } else { format!(".{n}.data") });
        data
    };
    (0..).map(numbered).find(|data| fs::symlink_metadata(parent.join(data)).is_err()).unwrap_or_else(|| numbered(0))
}

fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<u64> {
    let mut out = Counting { out: BufWriter::with_capacity(BUFFER, File::create_new(path)?), bytes: 0 };
    write(&mut out)?;
    out.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(out.bytes)
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
