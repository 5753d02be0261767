//! Bytes of the encoded file.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub fn raw(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    for _ in 0..rng.random_range(1..5) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..6) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes.insert(at, rng.random()),
            3 => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            _ => {
                let to = (at + rng.random_range(1..64)).min(bytes.len());
                let part = bytes[at..to].to_vec();
                let behind = rng.random_range(0..=bytes.len());
                bytes.splice(behind..behind, part);
            }
        }
    }
}
