//! Tensors that are kept while a network runs: in memory up to a limit, beyond it in temporary files.

use crate::tensor::DType;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::runtime::Tensor;

/// Bytes of tensors that are kept in memory at once, all networks together.
pub const MEMORY: u64 = 1 << 30;

/// Room for tensors, shared by everything that keeps some.
#[derive(Clone, Debug)]
pub struct Room {
    used: Arc<AtomicU64>,
    limit: u64,
}

impl Room {
    /// Room for so many bytes in memory.
    pub fn new(limit: u64) -> Room {
        Room { used: Arc::default(), limit }
    }

    /// Takes room in memory, if there is some.
    fn take(&self, bytes: u64) -> Option<Taken> {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.is_ok().then(|| Taken { used: Arc::clone(&self.used), bytes })
    }
}

impl Default for Room {
    fn default() -> Room {
        Room::new(MEMORY)
    }
}

/// Room that is given back when it is dropped.
#[derive(Debug)]
struct Taken {
    used: Arc<AtomicU64>,
    bytes: u64,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A tensor with the room it takes.
#[derive(Debug)]
pub struct StoredTensor {
    tensor: Tensor,
    _taken: Option<Taken>,
}

impl std::ops::Deref for StoredTensor {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.tensor
    }
}

/// The values that one tensor has in each batch.
#[derive(Clone, Debug)]
pub struct Values {
    slots: Vec<Slot>,
    room: Room,
    /// Opened when the first value does not fit in memory; it has no name, so it is gone once nothing holds it.
    file: Option<Arc<Mutex<File>>>,
}

#[derive(Clone, Debug)]
struct Slot {
    dtype: DType,
    shape: Vec<usize>,
    place: SlotPlace,
}

#[derive(Clone, Debug)]
enum SlotPlace {
    Nothing,
    Memory(Arc<StoredTensor>),
    File { from: u64 },
}

impl Values {
    /// Places for so many batches.
    pub fn new(batches: usize, room: &Room) -> Values {
        let nothing = Slot { dtype: DType::Undefined, shape: Vec::new(), place: SlotPlace::Nothing };
        Values { slots: vec![nothing; batches], room: room.clone(), file: None }
    }

    /// Keeps the value of a batch.
    ///
    /// # Errors
    /// When there is neither memory left nor room in the folder of temporary files.
    pub fn put(&mut self, batch: usize, tensor: Tensor) -> io::Result<()> {
        let Some(slot) = self.slots.get_mut(batch) else { return Ok(()) };
        (slot.dtype, slot.shape) = (tensor.dtype(), tensor.shape().to_vec());
        slot.place = match self.room.take(tensor.bytes()) {
            Some(taken) => SlotPlace::Memory(Arc::new(StoredTensor { tensor, _taken: Some(taken) })),
            None => {
                let file = match &mut self.file {
                    Some(file) => file,
                    none => none.insert(Arc::new(Mutex::new(tempfile::tempfile()?))),
                };
                // What a panic of another thread left behind is overwritten or read whole: the file stays sound.
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let from = file.seek(SeekFrom::End(0))?;
                let mut to = BufWriter::with_capacity(1 << 18, &mut *file);
                tensor.write_raw(&mut to)?;
                to.flush()?;
                SlotPlace::File { from }
            }
        };
        Ok(())
    }

    /// The value of a batch.
    ///
    /// # Errors
    /// When it cannot be read back, or was never kept.
    pub fn get(&self, batch: usize) -> io::Result<Arc<StoredTensor>> {
        let slot = self.slots.get(batch);
        match (slot, slot.map(|s| &s.place), &self.file) {
            (_, Some(SlotPlace::Memory(stored)), _) => Ok(Arc::clone(stored)),
            (Some(slot), Some(SlotPlace::File { from }), Some(file)) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(*from))?;
                let mut from = BufReader::with_capacity(1 << 18, &mut *file);
                let tensor = Tensor::read_raw(slot.dtype, &slot.shape, &mut from)?;
                Ok(Arc::new(StoredTensor { tensor, _taken: None }))
            }
            _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such value")),
        }
    }

    /// Element type and shape of the value of a batch.
    pub fn form(&self, batch: usize) -> Option<(DType, &[usize])> {
        self.slots.get(batch).map(|s| (s.dtype, s.shape.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_goes_to_a_file_and_comes_back() {
        let room = Room::new(100);
        let tensor = |k: usize| Tensor::new([2, 5], (0..10).map(|i| (i + 100 * k) as f32).collect::<Vec<_>>()).unwrap();
        let mut values = Values::new(4, &room);
        (0..4).for_each(|k| values.put(k, tensor(k)).unwrap());
        let in_memory = |v: &Values| v.slots.iter().filter(|s| matches!(s.place, SlotPlace::Memory(_))).count();
        assert_eq!(in_memory(&values), 2);
        for k in [3, 0, 2, 1] {
            assert_eq!(**values.get(k).unwrap(), tensor(k));
            assert_eq!(values.form(k), Some((DType::Float, &[2, 5][..])));
        }
        // A copy holds the same room; once all are gone, there is room again.
        let copy = values.clone();
        drop(values);
        assert_eq!(room.used.load(Ordering::Relaxed), 80);
        drop(copy);
        let mut again = Values::new(1, &room);
        again.put(0, tensor(7)).unwrap();
        assert_eq!(in_memory(&again), 1);
        assert!(Values::new(1, &room).get(0).is_err());
    }
}
