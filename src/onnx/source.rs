//! The bytes of a file, mapped, and a guess at what they are when they are no model.

use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use memmap2::Mmap;

use super::{Error, Result};

/// Maps a regular file. The map stays valid when the name is replaced by another file later.
pub(crate) fn map(path: &Path) -> std::io::Result<Bytes> {
    // Asked before it is opened: opening a pipe would wait for a writer.
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() {
        let what = if meta.is_dir() { "it is a folder" } else { "it is not a regular file" };
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
    }
    map_open(&File::open(path)?)
}

/// Maps an open file.
pub(crate) fn map_open(file: &File) -> std::io::Result<Bytes> {
    // An empty file cannot be mapped.
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the map is read-only and private to this process. Another program that shortens the file in place
    // while it is mapped ends this one by a signal; replacing the file by a rename, as all careful writers do and
    // as saving here does, leaves the mapped file alive.
    let map = unsafe { Mmap::map(file)? };
    Ok(Bytes::from_owner(map))
}

/// Maps a model file; folders and empty files are told apart from broken ones.
pub(crate) fn map_model(path: &Path) -> Result<Bytes> {
    let not_a_model = |why: String| Error::NotAModel { path: path.to_owned(), why };
    let bytes = map(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::IsADirectory => not_a_model(e.to_string()),
        _ => Error::io(path, e),
    })?;
    if bytes.is_empty() {
        return Err(not_a_model("it is empty".into()));
    }
    Ok(bytes)
}

/// What the first bytes look like, for formats that are often mistaken for a model.
pub(crate) fn other_format(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.get(..bytes.len().min(512)).unwrap_or_default();
    let starts = |prefix: &[u8]| head.starts_with(prefix);
    Some(match head {
        _ if starts(b"version https://git-lfs") => "it is a Git LFS pointer; fetch the file itself (git lfs pull)",
        _ if starts(b"PK\x03\x04") => "it is a zip archive (a PyTorch checkpoint?)",
        _ if starts(b"\x89HDF") => "it is an HDF5 file (a Keras model?)",
        _ if starts(b"\x1f\x8b") => "it is gzip-compressed",
        _ if starts(b"\x80\x02") || starts(b"\x80\x04") => "it is a Python pickle",
        _ if head.get(4..8) == Some(b"ORTM") => "it is in ORT format; use the .onnx file that it was made from",
        _ if head.get(4..8) == Some(b"TFL3") => "it is a TensorFlow Lite model",
        _ if head.first() == Some(&b'<') && head.is_ascii() => "it is an HTML or XML page",
        _ if head.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) => "it is a text file",
        _ => return None,
    })
}
