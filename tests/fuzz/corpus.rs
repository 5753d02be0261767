//! What is mutated: the networks of the zoo, the small exported ones, and what was found wrong once.

use std::path::Path;

use onnx_prune::onnx::proto::ModelProto;
use prost::Message;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::mutators;
use crate::zoo;

/// Larger exported models take too long for many cases.
const MAX_EXPORTED: u64 = 64 << 10;

pub struct Corpus {
    zoo: Vec<ModelProto>,
    found: Vec<(String, Vec<u8>)>,
    exported: Vec<ModelProto>,
}

impl Corpus {
    pub fn read() -> Corpus {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = |folder: &str, most: u64| -> Vec<(String, Vec<u8>)> {
            let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return Vec::new() };
            let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
            paths.retain(|p| p.extension().is_some_and(|e| e == "onnx"));
            paths.retain(|p| p.metadata().is_ok_and(|m| m.len() <= most));
            paths.sort();
            let name = |p: &Path| p.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            paths.iter().map(|p| (name(p), std::fs::read(p).unwrap())).collect()
        };
        let exported = files("fixtures/tiny", MAX_EXPORTED);
        Corpus {
            zoo: zoo::ALL.iter().map(|z| (z.build)()).collect(),
            found: files("tests/fuzz/corpus", u64::MAX),
            exported: exported.iter().filter_map(|(_, b)| ModelProto::decode(&b[..]).ok()).collect(),
        }
    }

    /// Inputs that were found to be handled wrong, by name. It begins with what is to come of them.
    pub fn found(&self) -> &[(String, Vec<u8>)] {
        &self.found
    }

    /// A whole model of the corpus, most often a small one.
    pub fn any(&self, rng: &mut ChaCha8Rng) -> ModelProto {
        let pick = |all: &[ModelProto], rng: &mut ChaCha8Rng| all[rng.random_range(0..all.len())].clone();
        match rng.random_range(0..400) {
            0 if !self.exported.is_empty() => pick(&self.exported, rng),
            1..40 if !self.found.is_empty() => {
                let bytes = &self.found[rng.random_range(0..self.found.len())].1;
                ModelProto::decode(&bytes[..]).unwrap_or_else(|_| pick(&self.zoo, rng))
            }
            _ => pick(&self.zoo, rng),
        }
    }

    /// The input of a case.
    pub fn case(&self, seed: u64, case: u64) -> Vec<u8> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ case);
        let mut m = self.any(&mut rng);
        for _ in 0..rng.random_range(1..=4) {
            mutators::any(&mut m, self, &mut rng);
        }
        let mut bytes = m.encode_to_vec();
        if rng.random_ratio(1, 12) {
            mutators::raw(&mut bytes, &mut rng);
        }
        bytes
    }
}
