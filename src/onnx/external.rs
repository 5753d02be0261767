//! Tensor data in files beside the model.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;

use super::proto::tensor_proto::DataLocation;
use super::proto::{ModelProto, TensorProto};
use super::source::Maps;
use super::walk::{self, TensorPlace};
use super::{Error, Result, tensor};

/// How a model that came in several files was laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalLayout {
    /// The first data file, relative to the model.
    pub location: String,
    /// Bytes that offsets are multiples of.
    pub alignment: u64,
    /// Whether tensors in node attributes lay outside as well.
    pub attributes: bool,
}

/// Makes every external tensor a slice of a mapped file. Returns the layout and the size of all data files in bytes.
pub(crate) fn resolve(
    model: &mut ModelProto,
    path: Option<&Path>,
    maps: &mut Maps,
) -> Result<(Option<ExternalLayout>, u64)> {
    let mut files = Files { path, roots: Vec::new(), open: BTreeMap::new(), maps };
    let mut layout: Option<ExternalLayout> = None;
    walk::tensors_mut(model, &mut |t, place| {
        if t.data_location != Some(DataLocation::External as i32) {
            return Ok(());
        }
        let (location, offset) = files.load(t)?;
        let alignment = if offset % 4096 == 0 { 4096 } else { 64 };
        let layout = layout.get_or_insert(ExternalLayout { location, alignment, attributes: false });
        layout.alignment = layout.alignment.min(alignment);
        layout.attributes |= place == TensorPlace::Attribute;
        Ok(())
    })?;
    let bytes = files.open.values().map(|m| m.len() as u64).sum();
    Ok((layout, bytes))
}

struct Files<'a> {
    path: Option<&'a Path>,
    /// Real folders that data may lie in.
    roots: Vec<PathBuf>,
    open: BTreeMap<PathBuf, Bytes>,
    maps: &'a mut Maps,
}

impl Files<'_> {
    /// Gives one tensor its data. Returns the location and the offset.
    fn load(&mut self, t: &mut TensorProto) -> Result<(String, u64)> {
        let entry = |key| t.external_data.iter().rfind(|e| e.key() == key).map(|e| e.value());
        let location = entry("location").unwrap_or_default().to_owned();
        let name = t.name().to_owned();
        let fail = |why: String| Error::ExternalData { tensor: name.clone(), path: PathBuf::from(&location), why };
        let number = |key| match entry(key) {
            None => Ok(None),
            Some(text) => {
                text.trim().parse::<u64>().map(Some).map_err(|_| fail(format!("{key} '{text}' is no number")))
            }
        };
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let need = tensor::dtype(t)?
            .bytes_for(tensor::len(t)?)
            .ok_or_else(|| fail("its type or size cannot be stored outside".into()))?;
        if length.is_some_and(|l| l != need as u64) {
            return Err(fail(format!("length {} does not match the {need} bytes of its shape", length.unwrap_or(0))));
        }
        let map = self.open(&location).map_err(fail)?;
        let range = usize::try_from(offset).ok().and_then(|o| Some(o..o.checked_add(need)?));
        let Some(range) = range.filter(|r| r.end <= map.len()) else {
            return Err(fail(format!("{need} bytes at {offset} end behind the file's {} bytes", map.len())));
        };
        t.raw_data = Some(map.slice(range));
        t.external_data.clear();
        t.data_location = None;
        Ok((location, offset))
    }

    fn open(&mut self, location: &str) -> std::result::Result<Bytes, String> {
        let real = self.real_path(location)?;
        if let Some(map) = self.open.get(&real) {
            return Ok(map.clone());
        }
        let map = self.maps.map(&real).map_err(|e| e.to_string())?;
        self.open.insert(real, map.clone());
        Ok(map)
    }

    /// The file behind a location. It must lie inside of the model's folder, links followed. A model that is itself
    /// a link (as in download caches) may also have its data beside the file that the link points to.
    fn real_path(&mut self, location: &str) -> std::result::Result<PathBuf, String> {
        let Some(path) = self.path else {
            return Err("the model was not read from a file, so there is no folder to look in".into());
        };
        let relative = Path::new(location);
        let plain = |c: Component| matches!(c, Component::Normal(_) | Component::CurDir);
        // A backslash separates folders on Windows: such a path must not mean two things.
        if location.is_empty() || location.contains('\\') || !relative.components().all(plain) {
            return Err("the location must be a path inside of the model's folder".into());
        }
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if self.roots.is_empty() {
            let target = path.canonicalize().ok().and_then(|p| p.parent().map(Path::to_owned));
            self.roots = folder.canonicalize().into_iter().chain(target).collect();
        }
        // Beside the name that was given, or else beside the file that it leads to.
        let places = std::iter::once(folder).chain(self.roots.iter().map(PathBuf::as_path));
        let mut found = places.map(|place| place.join(relative).canonicalize());
        let first = found.next().unwrap_or_else(|| folder.join(relative).canonicalize());
        let real = first.or_else(|e| found.find_map(|place| place.ok()).ok_or(e)).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => "the file is missing".into(),
            _ => e.to_string(),
        })?;
        if !self.roots.iter().any(|root| real.starts_with(root)) {
            return Err("a link leads out of the model's folder".into());
        }
        Ok(real)
    }
}
