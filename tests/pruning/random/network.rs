//! Random networks: what a network is drawn from, and how it grows.

use std::collections::HashMap;

use onnx_prune::onnx::DType;
use onnx_prune::onnx::proto::ModelProto;

use super::weights::Sharing;
use crate::common::builder::*;

/// Random numbers that a network is drawn from. Once they end, everything is 0, so shrinking a list of numbers
/// makes a smaller network: the first choice of every list is the plainest.
#[derive(Clone)]
pub struct Dice<'a>(std::slice::Iter<'a, u16>);

impl Dice<'_> {
    pub fn below(&mut self, n: usize) -> usize {
        self.0.next().map_or(0, |d| usize::from(*d) % n)
    }

    pub fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// One time in `n`.
    pub fn rarely(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }
}

/// [batch, channels, size, size].
#[derive(Clone)]
pub struct Image {
    pub name: String,
    pub channels: i64,
    pub size: i64,
}

impl Image {
    /// The same axes under another name.
    pub fn like(&self, name: String) -> Image {
        Image { name, ..*self }
    }
}

/// [batch, count, width].
#[derive(Clone)]
pub struct Tokens {
    pub name: String,
    pub count: i64,
    pub width: i64,
}

impl Tokens {
    /// The same axes under another name.
    pub fn like(&self, name: String) -> Tokens {
        Tokens { name, ..*self }
    }
}

/// A network that grows.
pub struct Network<'a> {
    pub b: Builder,
    pub dice: Dice<'a>,
    /// Whether operators of onnxruntime's own may occur.
    pub fused: bool,
    layers: usize,
    /// Weights that later layers may read too, by shape.
    pub stored: HashMap<Vec<i64>, String>,
    /// Whether weights are those of a block that ran before.
    pub sharing: Sharing<'a>,
}

impl Network<'_> {
    /// A name that no layer has.
    pub fn name(&mut self, kind: &str) -> String {
        self.layers += 1;
        format!("{kind}{}", self.layers)
    }

    /// A vector of numbers around one.
    pub fn scale(&mut self, name: &str, dims: &[i64]) -> String {
        let data: Vec<f32> = (0..dims.iter().product()).map(|_| 1.0 + 0.4 * self.b.draw()).collect();
        self.b.filled(name, dims, &data)
    }

    /// One of the functions that act on each number by itself.
    pub fn activation(&mut self, x: &str) -> String {
        match self.dice.below(14) {
            0 => self.b.relu(x),
            1 => self.b.sigmoid(x),
            2 => self.b.op("Tanh", &[x], vec![]),
            3 => self.b.op("LeakyRelu", &[x], vec![]),
            4 => self.b.op("HardSwish", &[x], vec![]),
            5 => self.b.op("Elu", &[x], vec![]),
            6 => self.b.op("Softplus", &[x], vec![]),
            7 => self.b.op("Abs", &[x], vec![]),
            8 => {
                let (low, high) = (self.b.scalar(-1.0), self.b.scalar(1.0));
                self.b.op("Clip", &[x, &low, &high], vec![])
            }
            9 => self.gelu_tanh(x),
            10 => self.gelu_erf(x),
            11 => {
                let s = self.b.sigmoid(x);
                self.b.mul(x, &s)
            }
            12 => {
                let zero = self.b.scalar(0.0);
                let positive = self.b.op("Greater", &[x, &zero], vec![]);
                let half = self.b.scalar(0.5);
                let y = self.b.mul(x, &half);
                self.b.op("Where", &[&positive, x, &y], vec![])
            }
            _ => {
                let y = self.b.scalar(0.5);
                self.b.add(x, &y)
            }
        }
    }

    fn gelu_tanh(&mut self, x: &str) -> String {
        let b = &mut self.b;
        let (three, a, c, one) = (b.scalar(3.0), b.scalar(0.0447), b.scalar(0.798), b.scalar(1.0));
        let y = b.op("Pow", &[x, &three], vec![]);
        let y = b.mul(&y, &a);
        let y = b.add(x, &y);
        let y = b.mul(&y, &c);
        let y = b.op("Tanh", &[&y], vec![]);
        let y = b.add(&y, &one);
        b.mul(x, &y)
    }

    fn gelu_erf(&mut self, x: &str) -> String {
        let b = &mut self.b;
        let (root, one, half) = (b.scalar(2f32.sqrt()), b.scalar(1.0), b.scalar(0.5));
        let y = b.op("Div", &[x, &root], vec![]);
        let y = b.op("Erf", &[&y], vec![]);
        let y = b.add(&y, &one);
        let y = b.mul(x, &y);
        b.mul(&y, &half)
    }

    fn images(&mut self) -> Tokens {
        let x = self.b.input("x", "batch 3 8 8");
        let p = self.conv(&Image { name: x, channels: 3, size: 8 }, 8, 3);
        let p = self.image_steps(&p, 0);
        let p = self.image_steps(&p, 0);
        let (name, width) = if self.dice.below(2) == 0 {
            (self.b.global_pool(&p.name), p.channels)
        } else {
            (self.b.op("Flatten", &[&p.name], vec![]), p.channels * p.size * p.size)
        };
        Tokens { name, count: 1, width }
    }

    fn numbers(&mut self) -> Tokens {
        let x = self.b.input("x", "batch 6 12");
        let width = self.dice.one_of(&[8, 12, 16]);
        let t = self.linear(&Tokens { name: x, count: 6, width: 12 }, width);
        self.sequence(t)
    }

    /// Images of any size.
    fn open_images(&mut self) -> Tokens {
        let x = self.b.input("x", "batch 3 height width");
        let mut p = self.conv(&Image { name: x, channels: 3, size: 8 }, 8, 3);
        for _ in 0..=self.dice.below(4) {
            let to = self.dice.one_of(&[8, 6, 12]);
            let q = self.conv(&p, to, 3);
            let q = q.like(self.activation(&q.name));
            p = match self.dice.below(3) {
                0 => q,
                1 => {
                    let back = self.conv(&q, p.channels, 1);
                    p.like(self.b.add(&p.name, &back.name))
                }
                _ => {
                    let name = self.b.concat(1, &[&p.name, &q.name]);
                    Image { name, channels: p.channels + q.channels, size: 8 }
                }
            };
        }
        Tokens { name: self.b.global_pool(&p.name), count: 1, width: p.channels }
    }

    /// Sequences of any length.
    fn open_numbers(&mut self) -> Tokens {
        let x = self.b.input("x", "batch length 12");
        let width = self.dice.one_of(&[8, 12, 16]);
        let mut t = self.linear(&Tokens { name: x, count: 6, width: 12 }, width);
        for _ in 0..=self.dice.below(4) {
            t = match self.dice.below(4) {
                0 => self.linear(&t, width),
                1 => self.controlled(&t),
                2 => self.normed(&t),
                _ => self.feed_forward(&t),
            };
        }
        Tokens { name: self.b.mean(&t.name, &[1], false), count: 1, width: t.width }
    }

    fn words(&mut self) -> Tokens {
        let x = self.b.input_of("x", DType::Int64, "batch 6");
        let width = self.dice.one_of(&[8, 12, 16]);
        let table = self.b.weight("table", &[7, width]);
        let name = self.b.gather(&table, &x, 0);
        self.sequence(Tokens { name, count: 6, width })
    }

    fn sequence(&mut self, t: Tokens) -> Tokens {
        let t = self.token_steps(&t, 0);
        let t = self.token_steps(&t, 0);
        let name = match self.dice.below(3) {
            0 => self.b.mean(&t.name, &[1], false),
            1 => {
                let first = self.b.scalar_int(0);
                self.b.gather(&t.name, &first, 1)
            }
            _ => self.b.op("Flatten", &[&t.name], vec![]),
        };
        let width = if name.starts_with("Flatten") { t.count * t.width } else { t.width };
        Tokens { name, count: 1, width }
    }
}

/// A network of the numbers in `dice`.
pub fn network(dice: &[u16], seed: u64) -> ModelProto {
    let mut dice = Dice(dice.iter());
    let opset = dice.one_of(&[17, 18]);
    let fused = dice.rarely(4);
    let mut n = Network {
        b: Builder::new(opset).seeded(seed),
        dice,
        fused,
        layers: 0,
        stored: HashMap::new(),
        sharing: Sharing::Off,
    };
    let t = match n.dice.below(6) {
        0 | 1 => n.images(),
        2 => n.numbers(),
        3 => n.words(),
        4 => n.open_images(),
        _ => n.open_numbers(),
    };
    let h = n.b.gemm("hidden", &t.name, t.width, 12);
    let h = n.b.relu(&h);
    let y = n.b.gemm("head", &h, 12, 10);
    n.b.output(&y, "batch 10");
    n.b.model()
}
