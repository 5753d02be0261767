//! Thrift's compact protocol, as far as it takes to look at headers before anything is made room for.

/// Structures in structures; Parquet's own stay far below.
const DEEPEST: usize = 32;

/// What a header holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A structure begins.
    Begin,
    /// An integer.
    Int(i64),
}

/// Tells `see` everything in the structure at the start of `bytes`, each with the numbers of the fields that lead to
/// it; elements of a list stand under the list's own. Gives the structure's length.
pub fn walk(bytes: &[u8], see: &mut dyn FnMut(&[i16], Event)) -> Option<usize> {
    let mut reader = Reader { bytes, at: 0, path: Vec::new(), see };
    reader.structure(0)?;
    Some(reader.at)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    path: Vec<i16>,
    see: &'a mut dyn FnMut(&[i16], Event),
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, n: u64) -> Option<()> {
        self.at = self.at.checked_add(usize::try_from(n).ok()?).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn int(&mut self) -> Option<i64> {
        let n = self.varint()?;
        Some((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    fn structure(&mut self, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        (self.see)(&self.path, Event::Begin);
        let mut id = 0i16;
        loop {
            let header = self.byte()?;
            if header == 0 {
                return Some(());
            }
            id = match header >> 4 {
                0 => i16::try_from(self.int()?).ok()?,
                delta => id.checked_add(i16::from(delta))?,
            };
            self.path.push(id);
            match header & 0x0f {
                // Fields carry their truth in the header.
                1 | 2 => {}
                kind => self.value(kind, depth)?,
            }
            self.path.pop();
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            1..=3 => self.skip(1),
            4..=6 => {
                let n = self.int()?;
                (self.see)(&self.path, Event::Int(n));
                Some(())
            }
            7 => self.skip(8),
            8 => {
                let length = self.varint()?;
                self.skip(length)
            }
            9 | 10 => {
                let header = self.byte()?;
                let count = match header >> 4 {
                    15 => self.varint()?,
                    n => u64::from(n),
                };
                self.list(count, &[header & 0x0f], depth)
            }
            11 => match self.varint()? {
                0 => Some(()),
                count => {
                    let kinds = self.byte()?;
                    self.list(count, &[kinds >> 4, kinds & 0x0f], depth)
                }
            },
            12 => self.structure(depth + 1),
            _ => None,
        }
    }

    fn list(&mut self, count: u64, kinds: &[u8], depth: usize) -> Option<()> {
        // Every element takes a byte at least.
        let left = self.bytes.len().saturating_sub(self.at) as u64;
        if count > left || depth > DEEPEST {
            return None;
        }
        for _ in 0..count {
            kinds.iter().try_for_each(|kind| self.value(*kind, depth + 1))?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_seen_with_its_place() {
        // 1: i32 3, 2: "ab", 4: [{1: i32 -1}, {1: i32 2}], 20: true, 21: double
        let mut bytes = vec![0x15, 6, 0x18, 2, b'a', b'b', 0x29, 0x2c, 0x15, 1, 0, 0x15, 4, 0, 0x01, 40, 0x17];
        bytes.extend([0; 8]);
        bytes.push(0);
        bytes.extend(b"behind");
        let mut seen = Vec::new();
        let length = walk(&bytes, &mut |path, event| seen.push((path.to_vec(), event)));
        assert_eq!(length, Some(bytes.len() - 6));
        let int = |path: &[i16], n| (path.to_vec(), Event::Int(n));
        let begin = |path: &[i16]| (path.to_vec(), Event::Begin);
        let wanted = [begin(&[]), int(&[1], 3), begin(&[4]), int(&[4, 1], -1), begin(&[4]), int(&[4, 1], 2)];
        assert_eq!(seen, wanted);
        for cut in 0..bytes.len() - 6 {
            assert_eq!(walk(&bytes[..cut], &mut |_, _| ()), None, "{cut}");
        }
    }

    #[test]
    fn what_could_not_be_there_is_refused() {
        let nested = [0x1c; 100];
        let endless = [0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        for bytes in [&nested[..], &endless, &[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]] {
            assert_eq!(walk(bytes, &mut |_, _| ()), None);
        }
    }
}
