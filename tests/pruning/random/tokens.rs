//! What networks do to sequences.

use super::network::{Network, Tokens};
use crate::common::builder::*;

impl Network<'_> {
    /// One to four steps.
    pub fn token_steps(&mut self, t: &Tokens, depth: usize) -> Tokens {
        let n = 1 + self.dice.below(4);
        let mut t = t.clone();
        for _ in 0..n {
            t = self.token_step(&t, depth);
            if t.width % 4 != 0 || t.width > 32 {
                t = self.linear(&t, 8);
            }
        }
        t
    }

    fn token_step(&mut self, t: &Tokens, depth: usize) -> Tokens {
        match self.dice.below(if depth < 2 { 16 } else { 7 }) {
            0 => {
                let to = self.dice.one_of(&[8, 12, 16]);
                let y = self.linear(t, to);
                let a = self.activation(&y.name);
                y.like(a)
            }
            1 | 2 => self.feed_forward(t),
            3 => self.normed(t),
            4 => {
                let name = self.name("position");
                let w = self.weight(&name, &[1, t.count, t.width]);
                t.like(self.b.add(&t.name, &w))
            }
            5 => self.mixed_over_tokens(t),
            6 => self.recurrent(t),
            7..=9 => self.attention(t),
            10 => self.mixture(t),
            11 | 12 => self.controlled(t),
            13 => self.shared(t, depth),
            14 => {
                let (q, r) = (self.token_steps(t, depth + 1), self.token_steps(t, depth + 1));
                let y = self.b.concat(2, &[&q.name, &r.name]);
                Tokens { name: y, count: t.count, width: q.width + r.width }
            }
            _ => {
                let parts = self.b.split(&t.name, 2, &[t.width / 2, t.width / 2]);
                let half = |k: usize| Tokens { name: parts[k].clone(), count: t.count, width: t.width / 2 };
                let q = self.linear(&half(0), t.width / 2);
                // A gate, or a half that waits.
                if self.dice.below(2) == 0 {
                    let g = self.b.sigmoid(&q.name);
                    let y = self.b.mul(&half(1).name, &g);
                    self.linear(&half(1).like(y), t.width)
                } else {
                    t.like(self.b.concat(2, &[&parts[1], &q.name]))
                }
            }
        }
    }

    /// A fully connected layer, in one of the ways to write one.
    pub fn linear(&mut self, t: &Tokens, to: i64) -> Tokens {
        let (from, name) = (t.width, self.name("linear"));
        let way = self.dice.below(6);
        let y = match way {
            4 => {
                let w = self.weight(&format!("{name}.weight"), &[to, from]);
                let w = self.b.transpose(&w, &[1, 0]);
                self.b.matmul(&t.name, &w)
            }
            5 if t.count > 1 => {
                let w = self.weight(&format!("{name}.weight"), &[to, from]);
                self.b.op("Einsum", &[&t.name, &w], vec![("equation", A::S("btc,dc->btd"))])
            }
            _ => {
                let w = self.weight(&format!("{name}.weight"), &[from, to]);
                self.b.matmul(&t.name, &w)
            }
        };
        if way == 3 {
            return Tokens { name: y, width: to, ..*t };
        }
        let bias = self.weight(&format!("{name}.bias"), &[to]);
        Tokens { name: self.b.add(&y, &bias), width: to, ..*t }
    }

    /// The stream, normalised or not.
    pub fn read(&mut self, t: &Tokens) -> Tokens {
        if self.dice.below(2) == 0 { self.normed(t) } else { t.clone() }
    }

    pub fn normed(&mut self, t: &Tokens) -> Tokens {
        let (w, name) = (t.width, self.name("norm"));
        let y = match self.dice.below(4) {
            0 | 1 => self.b.layernorm(&name, &t.name, w),
            2 => self.rms_norm(&name, &t.name, w),
            _ => {
                let m = self.b.mean(&t.name, &[-1], true);
                let d = self.b.op("Sub", &[&t.name, &m], vec![]);
                let d = self.rms_norm(&name, &d, w);
                let bias = self.weight(&format!("{name}.bias"), &[w]);
                self.b.add(&d, &bias)
            }
        };
        t.like(y)
    }

    /// x / √(mean x² + ε) · weight.
    pub fn rms_norm(&mut self, name: &str, x: &str, width: i64) -> String {
        let (two, eps) = (self.b.scalar(2.0), self.b.scalar(1e-3));
        let s = self.b.op("Pow", &[x, &two], vec![]);
        let s = self.b.mean(&s, &[-1], true);
        let s = self.b.add(&s, &eps);
        let s = self.b.op("Sqrt", &[&s], vec![]);
        let y = match self.dice.below(2) {
            0 => self.b.op("Div", &[x, &s], vec![]),
            _ => {
                let s = self.b.op("Reciprocal", &[&s], vec![]);
                self.b.mul(x, &s)
            }
        };
        let w = self.scale(&format!("{name}.weight"), &[width]);
        self.b.mul(&y, &w)
    }

    pub fn feed_forward(&mut self, t: &Tokens) -> Tokens {
        let inner = self.dice.one_of(&[12, 16, 20]);
        let x = self.read(t);
        let mut h = if self.fuses() {
            self.fused_layer(&x, inner)
        } else {
            let up = self.linear(&x, inner);
            up.like(self.activation(&up.name))
        };
        if self.dice.below(3) == 2 {
            let gate = self.linear(&x, inner);
            h = h.like(self.b.mul(&h.name, &gate.name));
        }
        let y = self.linear(&h, t.width);
        if self.fuses() {
            return self.fused_sum(t, &y.name);
        }
        let sum = self.b.add(&t.name, &y.name);
        if self.dice.rarely(4) { self.normed(&t.like(sum)) } else { t.like(sum) }
    }

    /// A layer over positions instead of channels.
    fn mixed_over_tokens(&mut self, t: &Tokens) -> Tokens {
        let turned = Tokens { name: self.b.transpose(&t.name, &[0, 2, 1]), count: t.width, width: t.count };
        let h = self.linear(&turned, 10);
        let h = h.like(self.b.relu(&h.name));
        let h = self.linear(&h, t.count);
        let y = self.b.transpose(&h.name, &[0, 2, 1]);
        t.like(self.b.add(&t.name, &y))
    }

    /// Experts that all read every token, weighed by a router.
    fn mixture(&mut self, t: &Tokens) -> Tokens {
        let (w, name) = (t.width, self.name("experts"));
        let r = self.linear(t, 3);
        let r = if self.dice.below(2) == 0 { self.b.softmax(&r.name, -1) } else { self.b.sigmoid(&r.name) };
        let (up, down) = (format!("{name}.up"), format!("{name}.down"));
        let (up, down) = (self.weight(&up, &[3, w, 12]), self.weight(&down, &[3, 12, w]));
        let y = if self.dice.below(2) == 0 {
            let r = self.b.transpose(&r, &[0, 2, 1]);
            let r = self.b.unsqueeze(&r, &[3]);
            let x = self.b.unsqueeze(&t.name, &[1]);
            let h = self.b.matmul(&x, &up);
            let h = self.activation(&h);
            let h = self.b.matmul(&h, &down);
            let h = self.b.mul(&h, &r);
            let axes = self.b.ints(&[1]);
            self.b.op("ReduceSum", &[&h, &axes], vec![("keepdims", A::I(0))])
        } else {
            let einsum = |n: &mut Self, x: &str, y: &str, equation: &str| {
                n.b.op("Einsum", &[x, y], vec![("equation", A::S(equation))])
            };
            let h = einsum(self, &t.name, &up, "btd,edh->beth");
            let h = self.activation(&h);
            let h = einsum(self, &h, &down, "beth,ehd->betd");
            einsum(self, &h, &r, "betd,bte->btd")
        };
        t.like(self.b.add(&t.name, &y))
    }
}
