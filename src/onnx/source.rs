//! The bytes of files, and a guess at what they are when they are no model.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use memmap2::Mmap;

use super::{Error, Result};
use crate::files::Stamp;

/// Files up to this size are read into memory: what another program does to them then changes nothing.
const IN_MEMORY: u64 = 64 << 20;

/// The files that a model's weights are slices of, mapped where they are large.
#[derive(Clone, Debug, Default)]
pub struct Maps {
    maps: Vec<Arc<Mmap>>,
    files: Vec<(PathBuf, Stamp)>,
}

impl Maps {
    /// The bytes of a regular file. They stay what they are when the name is given to another file later.
    pub(crate) fn map(&mut self, path: &Path) -> std::io::Result<Bytes> {
        // Asked before it is opened: opening a pipe would wait for a writer.
        let meta = std::fs::metadata(path)?;
        if !meta.is_file() {
            let what = if meta.is_dir() { "it is a folder" } else { "it is not a regular file" };
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
        }
        let file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        let bytes = self.map_open(&file)?;
        self.files.push((path.to_owned(), stamp));
        Ok(bytes)
    }

    /// The bytes of an open file.
    fn map_open(&mut self, mut file: &File) -> std::io::Result<Bytes> {
        let len = file.metadata()?.len();
        if len <= IN_MEMORY {
            let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
            std::io::Seek::rewind(&mut file)?;
            // A file that grows while it is read is found out by its stamp.
            file.take(IN_MEMORY).read_to_end(&mut bytes)?;
            return Ok(bytes.into());
        }
        // SAFETY: the map is read-only and private to this process. Replacing the file by a rename, as all careful
        // writers do and as saving here does, leaves the mapped file alive. A program that writes to it in place
        // changes what is read here: users of a model ask `unchanged` before they trust what they made of it. A
        // program that shortens it ends this one by a signal, which the command turns into words.
        let map = Arc::new(unsafe { Mmap::map(file)? });
        self.maps.push(Arc::clone(&map));
        Ok(Bytes::from_owner(Mapped(map)))
    }

    /// The files: the model, then its data files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }

    /// Whether every file is still the one that was read, and as it was then.
    ///
    /// # Errors
    /// [`Error::Changed`] names the first that is not.
    pub fn unchanged(&self) -> Result<()> {
        for (path, before) in &self.files {
            let why = match std::fs::metadata(path) {
                Ok(meta) => before.difference(&Stamp::of(&meta)),
                Err(e) => Some(e.to_string()),
            };
            if let Some(why) = why {
                return Err(Error::Changed { path: path.clone(), why });
            }
        }
        Ok(())
    }

    /// Says that these bytes are not needed soon. Where they lie in a mapped file, their pages no longer count as
    /// memory of this process; whoever touches them again has them read again.
    pub fn release(&self, bytes: &[u8]) {
        let start = bytes.as_ptr() as usize;
        for map in &self.maps {
            let offset = start.wrapping_sub(map.as_ptr() as usize);
            if offset.checked_add(bytes.len()).is_some_and(|end| end <= map.len()) {
                forget(map, offset, bytes.len());
            }
        }
    }

    /// Says that no mapped file is needed soon.
    pub fn release_all(&self) {
        self.maps.iter().for_each(|map| forget(map, 0, map.len()));
    }
}

#[cfg(unix)]
fn forget(map: &Mmap, offset: usize, len: usize) {
    // SAFETY: nobody writes to the map, so its pages hold nothing but what the file holds, and are filled from there
    // again. That the system may refuse is no loss.
    drop(unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset, len) });
}

#[cfg(not(unix))]
fn forget(_: &Mmap, _: usize, _: usize) {}

struct Mapped(Arc<Mmap>);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The bytes of a file that is no model's.
#[cfg(feature = "data")]
pub(crate) fn map(path: &Path) -> std::io::Result<Bytes> {
    Maps::default().map(path)
}

/// The bytes of an open file that is no model's.
#[cfg(feature = "data")]
pub(crate) fn map_open(file: &File) -> std::io::Result<Bytes> {
    Maps::default().map_open(file)
}

/// The bytes of a model file; folders and empty files are told apart from broken ones.
pub(crate) fn map_model(path: &Path, maps: &mut Maps) -> Result<Bytes> {
    let not_a_model = |why: String| Error::NotAModel { path: path.to_owned(), why };
    let bytes = maps.map(path).map_err(|e| match e.kind() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        let changes: [(&str, &dyn Fn()); 5] = [
            ("had 4 bytes and has 2", &|| File::options().write(true).open(&path).unwrap().set_len(2).unwrap()),
            ("had 4 bytes and has 5", &|| std::fs::write(&path, "three").unwrap()),
            ("written to", &|| std::fs::write(&path, "FOUR").unwrap()),
            ("another file", &|| {
                std::fs::write(folder.path().join("new"), "four").unwrap();
                std::fs::rename(folder.path().join("new"), &path).unwrap();
            }),
            ("No such file", &|| std::fs::remove_file(&path).unwrap()),
        ];
        for (why, change) in changes {
            std::fs::write(&path, "four").unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
            let mut maps = Maps::default();
            let bytes = maps.map(&path).unwrap();
            maps.unchanged().unwrap();
            change();
            let error = maps.unchanged().unwrap_err().to_string();
            assert!(error.contains("was changed") && error.contains(why), "{error}");
            assert_eq!(&bytes[..], b"four", "what is in memory stays");
        }
    }

    #[test]
    fn what_was_given_back_reads_as_before() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let data: Vec<u8> =
            (0..(IN_MEMORY as u32 + 100_000)).map(|i| i.to_le_bytes()[0] ^ i.to_le_bytes()[1]).collect();
        std::fs::write(file.path(), &data).unwrap();
        let mut maps = Maps::default();
        let bytes = maps.map(file.path()).unwrap();
        maps.release(&bytes.slice(5000..70_000));
        // Memory that is no map stays as it is.
        let heap = vec![7u8; 70_000];
        maps.release(&heap);
        assert!(heap.iter().all(|b| *b == 7));
        assert_eq!(bytes[..], data[..]);
        maps.release_all();
        assert_eq!(bytes[..], data[..]);
    }
}
