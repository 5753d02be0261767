//! Attention in many forms.

use super::network::{Network, Tokens};
use crate::common::builder::*;

/// How many heads there are, and how wide.
#[derive(Clone, Copy)]
pub struct Form {
    pub heads: i64,
    /// Heads of keys and values.
    shared: i64,
    pub dim: i64,
}

impl Network<'_> {
    /// Attention between all positions, added to the stream.
    pub fn attention(&mut self, t: &Tokens) -> Tokens {
        let x = self.read(t);
        let dim = self.dice.one_of(&[4, 2, 8]);
        let (heads, shared) = self.dice.one_of(&[(1, 1), (2, 2), (4, 4), (4, 2), (4, 1)]);
        let form = Form { heads, shared, dim };
        let o = match self.dice.below(6) {
            _ if heads == shared && self.fuses() => self.fused_attention(&x, form),
            0 if heads == shared => self.fused(&x, form),
            1 if heads == shared => self.sliced(&x, form),
            2 if heads == shared => self.in_letters(&x, form),
            3 if heads == 1 => self.plain(&x, dim),
            _ => self.separate(&x, form),
        };
        let y = self.linear(&Tokens { name: o, count: t.count, width: heads * dim }, t.width);
        t.like(self.b.add(&t.name, &y.name))
    }

    /// [batch, count, heads · dim] → [batch, heads, count, dim].
    fn heads(&mut self, x: &str, count: i64, heads: i64, dim: i64) -> String {
        let r = self.b.reshape(x, &[-1, count, heads, dim]);
        self.b.transpose(&r, &[0, 2, 1, 3])
    }

    /// Layers of their own for queries, keys and values; heads may share keys.
    fn separate(&mut self, t: &Tokens, f: Form) -> String {
        let n = t.count;
        let context = if self.dice.rarely(4) { self.linear(t, 12) } else { t.clone() };
        let q = self.linear(t, f.heads * f.dim);
        let k = self.linear(&context, f.shared * f.dim);
        let v = self.linear(&context, f.shared * f.dim);
        let q = self.heads(&q.name, n, f.heads, f.dim);
        let k = self.heads(&k.name, n, f.shared, f.dim);
        let v = self.heads(&v.name, n, f.shared, f.dim);
        let (mut q, mut k) = (q, k);
        if self.dice.rarely(3) {
            let (a, b) = (self.name("q.norm"), self.name("k.norm"));
            q = self.rms_norm(&a, &q, f.dim);
            k = self.rms_norm(&b, &k, f.dim);
        }
        if self.dice.rarely(3) {
            let (cos, sin) = self.angles(n, f.dim);
            q = self.turned(&q, &cos, &sin, f.dim);
            k = self.turned(&k, &cos, &sin, f.dim);
        }
        let (k, v) = match f.shared == f.heads || f.shared == 1 && self.dice.below(2) == 0 {
            true => (k, v),
            false => (self.repeated(&k, n, f), self.repeated(&v, n, f)),
        };
        self.attend(&q, &k, &v, n, f)
    }

    fn repeated(&mut self, x: &str, n: i64, f: Form) -> String {
        let y = self.b.unsqueeze(x, &[2]);
        let shape = self.b.ints(&[1, f.shared, f.heads / f.shared, n, f.dim]);
        let y = self.b.op("Expand", &[&y, &shape], vec![]);
        self.b.reshape(&y, &[-1, f.heads, n, f.dim])
    }

    fn angles(&mut self, n: i64, dim: i64) -> (String, String) {
        let angles: Vec<f32> = (0..n * dim).map(|i| (i / dim) as f32 / (1 + i % (dim / 2)) as f32).collect();
        let (cos, sin) = (self.name("cos"), self.name("sin"));
        let table = |n_: &mut Self, name: &str, of: fn(f32) -> f32| {
            let data: Vec<f32> = angles.iter().map(|a| of(*a)).collect();
            n_.b.filled(name, &[1, 1, n, dim], &data)
        };
        (table(self, &cos, f32::cos), table(self, &sin, f32::sin))
    }

    /// Rotary position embedding.
    fn turned(&mut self, x: &str, cos: &str, sin: &str, dim: i64) -> String {
        let (first, second) = (self.b.slice(x, 3, 0, dim / 2), self.b.slice(x, 3, dim / 2, i64::MAX));
        let second = self.b.op("Neg", &[&second], vec![]);
        let swapped = self.b.concat(3, &[&second, &first]);
        let (p, q) = (self.b.mul(x, cos), self.b.mul(&swapped, sin));
        self.b.add(&p, &q)
    }

    /// One layer for queries, keys and values, parted by a reshape.
    fn fused(&mut self, t: &Tokens, f: Form) -> String {
        let qkv = self.linear(t, 3 * f.heads * f.dim);
        let r = self.b.reshape(&qkv.name, &[-1, t.count, 3, f.heads, f.dim]);
        let r = self.b.transpose(&r, &[2, 0, 3, 1, 4]);
        let part = |n: &mut Self, k: i64| {
            let i = n.b.scalar_int(k);
            n.b.gather(&r, &i, 0)
        };
        let (q, k, v) = (part(self, 0), part(self, 1), part(self, 2));
        self.attend(&q, &k, &v, t.count, f)
    }

    /// One layer for queries, keys and values, parted by a split.
    fn sliced(&mut self, t: &Tokens, f: Form) -> String {
        let width = f.heads * f.dim;
        let qkv = self.linear(t, 3 * width);
        let parts = self.b.split(&qkv.name, 2, &[width; 3]);
        let [q, k, v] = [0, 1, 2].map(|i| self.heads(&parts[i], t.count, f.heads, f.dim));
        self.attend(&q, &k, &v, t.count, f)
    }

    /// Heads on an axis of their own from the start.
    fn in_letters(&mut self, t: &Tokens, f: Form) -> String {
        let einsum = |n: &mut Self, x: &str, y: &str, equation: &str| {
            n.b.op("Einsum", &[x, y], vec![("equation", A::S(equation))])
        };
        let [q, k, v] = ["q", "k", "v"].map(|part| {
            let name = self.name(part);
            let w = self.weight(&name, &[t.width, f.heads, f.dim]);
            einsum(self, &t.name, &w, "btc,chd->bthd")
        });
        let s = einsum(self, &q, &k, "bqhd,bkhd->bhqk");
        let p = self.b.softmax(&s, -1);
        let o = einsum(self, &p, &v, "bhqk,bkhd->bqhd");
        self.b.reshape(&o, &[-1, t.count, f.heads * f.dim])
    }

    /// A single head without an axis for it.
    fn plain(&mut self, t: &Tokens, dim: i64) -> String {
        let [q, k, v] = [0, 1, 2].map(|_| self.linear(t, dim));
        let k = self.b.transpose(&k.name, &[0, 2, 1]);
        let s = self.b.matmul(&q.name, &k);
        let p = self.b.softmax(&s, -1);
        self.b.matmul(&p, &v.name)
    }

    /// softmax(q·kᵀ · scale + bias)·v, heads joined again.
    fn attend(&mut self, q: &str, k: &str, v: &str, n: i64, f: Form) -> String {
        let k = self.b.transpose(k, &[0, 1, 3, 2]);
        let mut q = q.to_owned();
        let way = self.dice.below(5);
        if way == 1 {
            // The scale is computed from the width of a head.
            let s = self.b.op("Shape", &[&q], vec![]);
            let d = self.b.slice(&s, 0, -1, i64::MAX);
            let d = self.b.op("Cast", &[&d], vec![("to", A::I(1))]);
            let d = self.b.op("Sqrt", &[&d], vec![]);
            q = self.b.op("Div", &[&q, &d], vec![]);
        }
        let mut s = self.b.matmul(&q, &k);
        match way {
            2 => {
                let name = self.name("bias");
                let w = self.weight(&name, &[1, f.heads, n, n]);
                s = self.b.add(&s, &w);
            }
            3 => {
                let mask: Vec<f32> = (0..n * n).map(|i| if i % n > i / n { -1e4 } else { 0.0 }).collect();
                let name = self.name("mask");
                let m = self.b.filled(&name, &[1, 1, n, n], &mask);
                s = self.b.add(&s, &m);
            }
            _ => {}
        }
        let mut p = self.b.softmax(&s, -1);
        if way == 4 && f.heads > 1 {
            // Heads that talk to each other.
            let name = self.name("talk");
            let w = self.weight(&name, &[f.heads, f.heads]);
            p = self.b.op("Einsum", &[&p, &w], vec![("equation", A::S("bhqk,hg->bgqk"))]);
        }
        let o = self.b.matmul(&p, v);
        let o = self.b.transpose(&o, &[0, 2, 1, 3]);
        self.b.reshape(&o, &[-1, n, f.heads * f.dim])
    }
}
