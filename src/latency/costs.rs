//! Times of subgraphs on disk: one JSON file for each machine, runtime, device and number of threads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{self, Sink};

/// Version of the file's layout, and of how times are taken.
const VERSION: u32 = 1;

/// What is on disk.
#[derive(Serialize, Deserialize)]
struct StoredCosts {
    version: u32,
    /// What the times belong to, in words.
    machine: String,
    /// Milliseconds by signature.
    milliseconds: BTreeMap<String, f64>,
}

/// Times by signature, kept between runs.
pub struct Costs {
    file: Option<PathBuf>,
    machine: String,
    known: BTreeMap<String, f64>,
    /// How many were there before this run.
    pub found: usize,
}

impl Costs {
    /// Reads what `folder` has for `machine`. A file that cannot be read is as good as none: its times are taken again.
    pub fn open(folder: Option<&Path>, machine: String) -> Costs {
        let file = folder.map(|f| f.join(format!("{}.json", slug(&machine))));
        let read = || {
            let text = std::fs::read(file.as_ref()?).ok()?;
            let stored: StoredCosts = serde_json::from_slice(&text).ok()?;
            let sane = |ms: &f64| ms.is_finite() && *ms >= 0.0;
            let fits = stored.version == VERSION && stored.machine == machine;
            (fits && stored.milliseconds.values().all(sane)).then_some(stored.milliseconds)
        };
        let known = read().unwrap_or_default();
        Costs { file, machine, found: known.len(), known }
    }

    /// The time of a signature.
    pub fn get(&self, signature: &str) -> Option<f64> {
        self.known.get(signature).copied()
    }

    /// Notes a time.
    pub fn insert(&mut self, signature: String, ms: f64) {
        self.known.insert(signature, ms);
    }

    /// Writes all times, atomically.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn save(&self) -> std::io::Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| self.known.len() > self.found) else { return Ok(()) };
        std::fs::create_dir_all(files::parent(file))?;
        let mut sink = Sink::new(file)?;
        let stored = StoredCosts { version: VERSION, machine: self.machine.clone(), milliseconds: self.known.clone() };
        serde_json::to_writer_pretty(&mut sink, &stored)?;
        sink.finish()
    }
}

/// What times depend on beside the model: the processor, the runtime, and how it runs.
pub fn machine(runtime: &str, version: &str, device: &str, threads: Option<usize>) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.unwrap_or(cores);
    format!("{}, {cores} cores; {runtime} {version} on {device}, {threads} threads", processor())
}

/// The processor's name, where the system tells it.
fn processor() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '.' => out.push(c.to_ascii_lowercase()),
            _ if !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    out.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_and_broken_files_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let machine = || "Some CPU (R), 2 cores; runtime 1.0 on cpu, 2 threads".to_owned();
        let path = folder.path().join("a/b");
        let mut costs = Costs::open(Some(&path), machine());
        assert_eq!(costs.get("x"), None);
        costs.insert("x".into(), 1.25);
        costs.save().unwrap();
        let again = Costs::open(Some(&path), machine());
        assert_eq!((again.get("x"), again.found), (Some(1.25), 1));
        assert_eq!(Costs::open(Some(&path), "another".into()).get("x"), None);
        let file = path.join("some-cpu-r-2-cores-runtime-1.0-on-cpu-2-threads.json");
        for broken in ["", "{", r#"{"version":9,"machine":"","milliseconds":{"x":1}}"#] {
            std::fs::write(&file, broken).unwrap();
            assert_eq!(Costs::open(Some(&path), machine()).get("x"), None);
        }
    }
}
