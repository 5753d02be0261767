//! Images that part and meet again.

use super::network::{Image, Network};
use crate::common::builder::*;

impl Network<'_> {
    /// Branches: added, multiplied, concatenated, split and treated apart.
    pub fn branch(&mut self, p: &Image, depth: usize) -> Image {
        let c = p.channels;
        match self.dice.below(10) {
            0..=2 => {
                let q = self.alongside(p, depth);
                p.like(self.b.add(&p.name, &q.name))
            }
            3 => {
                let q = self.alongside(p, depth);
                let r = self.alongside(p, depth);
                let y = match self.dice.below(4) {
                    0 => self.b.mul(&q.name, &r.name),
                    1 => self.b.op("Sub", &[&q.name, &r.name], vec![]),
                    2 => self.b.op("Max", &[&q.name, &r.name], vec![]),
                    _ => self.b.op("Sum", &[&p.name, &q.name, &r.name], vec![]),
                };
                p.like(y)
            }
            4 | 5 => {
                let (q, r) = (self.image_steps(p, depth), self.image_steps(p, depth));
                let size = q.size.min(r.size);
                let (q, r) = (self.resized(q, size), self.resized(r, size));
                let out = self.b.concat(1, &[&q.name, &r.name]);
                let all = Image { name: out, channels: q.channels + r.channels, size };
                if self.dice.below(2) == 0 { all } else { self.conv(&all, 8, 1) }
            }
            6 => {
                let at = self.dice.one_of(&[2, c / 2, c - 2]).clamp(1, c - 1);
                let parts = self.b.split(&p.name, 1, &[at, c - at]);
                let q = Image { name: parts[0].clone(), channels: at, size: p.size };
                let q = self.conv(&q, 4, 3);
                let out = self.b.concat(1, &[&parts[1], &q.name]);
                Image { name: out, channels: c - at + 4, size: p.size }
            }
            7 => {
                // Halves change places, one of them treated.
                let parts = self.b.split(&p.name, 1, &[c / 2, c / 2]);
                let q = Image { name: parts[0].clone(), channels: c / 2, size: p.size };
                let q = self.conv(&q, c / 2, 3);
                let y = self.b.concat(1, &[&parts[1], &q.name]);
                if self.dice.below(2) == 0 { p.like(y) } else { p.like(self.b.add(&p.name, &y)) }
            }
            8 => {
                let from = self.dice.below(c as usize / 2) as i64;
                let part = if self.dice.below(2) == 0 {
                    self.b.slice(&p.name, 1, from, from + c / 2)
                } else {
                    let range: Vec<i64> = (from..from + c / 2).collect();
                    let range = self.b.ints(&range);
                    self.b.gather(&p.name, &range, 1)
                };
                let q = self.conv(&Image { name: part, channels: c / 2, size: p.size }, c, 1);
                p.like(self.b.add(&p.name, &q.name))
            }
            _ => {
                // A dense block: each layer reads all that went before.
                let mut all = p.clone();
                for _ in 0..2 {
                    let q = self.conv(&all, 4, 3);
                    let q = self.b.relu(&q.name);
                    let name = self.b.concat(1, &[&all.name, &q]);
                    all = Image { name, channels: all.channels + 4, size: p.size };
                }
                all
            }
        }
    }

    /// Steps that end as they began.
    fn alongside(&mut self, p: &Image, depth: usize) -> Image {
        let q = self.image_steps(p, depth);
        let q = self.conv(&q, p.channels, 1);
        self.resized(q, p.size)
    }

    fn resized(&mut self, p: Image, size: i64) -> Image {
        let attrs = |k: &'static [i64]| vec![("kernel_shape", A::Is(k)), ("strides", A::Is(k))];
        let (mut p, larger) = (p.clone(), p.size > size);
        while p.size != size {
            if larger {
                p.name = self.b.op("MaxPool", &[&p.name], attrs(&[2, 2]));
                p.size /= 2;
            } else {
                let name = self.name("up");
                let w = self.weight(&format!("{name}.weight"), &[p.channels, p.channels, 2, 2]);
                p.name = self.b.op("ConvTranspose", &[&p.name, &w], attrs(&[2, 2]));
                p.size *= 2;
            }
        }
        p
    }
}
