//! What networks do to images.

use super::network::{Image, Network, Tokens};
use crate::common::builder::*;

impl Network<'_> {
    /// One to four steps.
    pub fn image_steps(&mut self, p: &Image, depth: usize) -> Image {
        let n = 1 + self.dice.below(4);
        let mut p = p.clone();
        for _ in 0..n {
            let next = self.image_step(&p, depth);
            p = self.handy(next);
        }
        p
    }

    fn image_step(&mut self, p: &Image, depth: usize) -> Image {
        match self.dice.below(if depth < 2 { 12 } else { 7 }) {
            0 | 1 => self.convolution(p),
            2 => self.normalised(p),
            3 => self.window(p),
            4 => self.weighed(p),
            5 => self.shuffled(p),
            6 => {
                let y = self.activation(&p.name);
                p.like(y)
            }
            7..=10 => self.branch(p, depth + 1),
            _ => self.as_tokens(p, depth + 1),
        }
    }

    /// A number of channels that is even, at least 4 and not too large.
    fn handy(&mut self, p: Image) -> Image {
        if p.channels % 2 == 0 && (4..=32).contains(&p.channels) { p } else { self.conv(&p, 8, 1) }
    }

    /// A convolution to as large an image.
    pub fn conv(&mut self, p: &Image, to: i64, kernel: i64) -> Image {
        self.conv_by(p, to, same(kernel))
    }

    fn conv_by(&mut self, p: &Image, to: i64, w: Window) -> Image {
        let name = self.name("conv");
        let weight = self.weight(&format!("{name}.weight"), &[to, p.channels / w.group, w.kernel, w.kernel]);
        let bias = self.dice.below(4);
        let bias = (bias < 3).then(|| self.weight(&format!("{name}.bias"), &[to]));
        let weights: Vec<&str> = std::iter::once(weight.as_str()).chain(bias.as_deref()).collect();
        let out = self.b.conv_with(&p.name, &weights, w);
        Image { name: out, channels: to, size: p.size }
    }

    fn convolution(&mut self, p: &Image) -> Image {
        let c = p.channels;
        match self.dice.below(8) {
            _ if self.fuses() => self.fused_conv(p),
            0..=2 => {
                let (to, kernel) = (self.dice.one_of(&[4, 6, 8, 12]), self.dice.one_of(&[1, 3]));
                let q = self.conv(p, to, kernel);
                let y = self.activation(&q.name);
                q.like(y)
            }
            3 => self.conv_by(p, c, same(3).group(c)),
            4 => self.conv_by(p, 2 * c, same(3).group(c)),
            5 | 6 => {
                let to = self.dice.one_of(&[4, 8]);
                self.conv_by(p, to, same(3).group(2))
            }
            _ => {
                // Twice as large, then smaller again.
                let name = self.name("up");
                let group = self.dice.one_of(&[1, 2]);
                let w = self.weight(&format!("{name}.weight"), &[c, 6 / group, 2, 2]);
                let attrs = vec![("kernel_shape", A::Is(&[2, 2])), ("strides", A::Is(&[2, 2])), ("group", A::I(group))];
                let y = self.b.op("ConvTranspose", &[&p.name, &w], attrs);
                let y = self.b.pool(&y);
                Image { name: y, channels: 6, size: p.size }
            }
        }
    }

    fn normalised(&mut self, p: &Image) -> Image {
        let (c, name) = (p.channels, self.name("norm"));
        let vectors =
            |n: &mut Self| (n.scale(&format!("{name}.weight"), &[c]), n.weight(&format!("{name}.bias"), &[c]));
        let y = match self.dice.below(6) {
            0 | 1 => self.b.bn(&name, &p.name, c),
            2 => {
                let (w, b) = vectors(self);
                self.b.op("InstanceNormalization", &[&p.name, &w, &b], vec![])
            }
            3 => {
                // Group normalisation as exporters write it.
                let groups = self.dice.one_of(&[2, c / 2, 1]);
                let (ones, zeros) = (self.scale(&format!("{name}.ones"), &[groups]), vec![0.0; groups as usize]);
                let zeros = self.b.filled(&format!("{name}.zeros"), &[groups], &zeros);
                let r = self.b.reshape(&p.name, &[0, groups, -1]);
                let r = self.b.op("InstanceNormalization", &[&r, &ones, &zeros], vec![]);
                let r = self.b.reshape(&r, &[-1, c, p.size, p.size]);
                let (w, b) = (self.scale(&format!("{name}.weight"), &[c, 1, 1]), self.b.weight(&name, &[c, 1, 1]));
                let r = self.b.mul(&r, &w);
                self.b.add(&r, &b)
            }
            4 => {
                let t = self.b.transpose(&p.name, &[0, 2, 3, 1]);
                let t = self.b.layernorm(&name, &t, c);
                self.b.transpose(&t, &[0, 3, 1, 2])
            }
            _ => self.b.op("LpNormalization", &[&p.name], vec![("axis", A::I(1)), ("p", A::I(2))]),
        };
        p.like(y)
    }

    /// Pools, pads, resizes.
    fn window(&mut self, p: &Image) -> Image {
        let two = || vec![("kernel_shape", A::Is(&[2, 2])), ("strides", A::Is(&[2, 2]))];
        match self.dice.below(5) {
            0 if p.size > 2 => {
                let op = self.dice.one_of(&["MaxPool", "AveragePool"]);
                Image { name: self.b.op(op, &[&p.name], two()), channels: p.channels, size: p.size / 2 }
            }
            1 => {
                let attrs = vec![("kernel_shape", A::Is(&[3, 3])), ("pads", A::Is(&[1, 1, 1, 1]))];
                p.like(self.b.op("MaxPool", &[&p.name], attrs))
            }
            2 if p.size < 8 => {
                let scales = self.b.fresh("scales");
                let scales = self.b.filled(&scales, &[4], &[1.0, 1.0, 2.0, 2.0]);
                let y = self.b.op("Resize", &[&p.name, "", &scales], vec![("mode", A::S("nearest"))]);
                Image { name: y, channels: p.channels, size: 2 * p.size }
            }
            3 => {
                // Channels of zeros before and behind.
                let pads = self.dice.one_of(&[1, 2]);
                let y = self.b.pad(&p.name, &[0, pads, 0, 0, 0, pads, 0, 0]);
                let q = Image { name: y, channels: p.channels + 2 * pads, size: p.size };
                if self.dice.below(2) == 0 { q } else { self.conv(&q, 8, 1) }
            }
            _ => {
                let y = self.b.pad(&p.name, &[0, 0, 1, 1, 0, 0, 1, 1]);
                let attrs = vec![("kernel_shape", A::Is(&[3, 3]))];
                p.like(self.b.op("AveragePool", &[&y], attrs))
            }
        }
    }

    /// Factors and summands for each channel.
    fn weighed(&mut self, p: &Image) -> Image {
        let (c, name) = (p.channels, self.name("scale"));
        let y = match self.dice.below(6) {
            0 => {
                let s = self.b.mean(&p.name, &[2, 3], true);
                self.excited(p, &s)
            }
            1 => {
                let op = self.dice.one_of(&["GlobalAveragePool", "GlobalMaxPool"]);
                let s = self.b.op(op, &[&p.name], vec![]);
                self.excited(p, &s)
            }
            2 => {
                let w = self.weight(&name, &[c, 1, 1]);
                self.b.mul(&p.name, &w)
            }
            3 => {
                let w = self.weight(&name, &[c, 1, 1]);
                self.b.op("PRelu", &[&p.name, &w], vec![])
            }
            4 => {
                let w = self.scale(&name, &[1, c, 1, 1]);
                self.b.op("Div", &[&p.name, &w], vec![])
            }
            _ => {
                // A map of means over channels.
                let m = self.b.mean(&p.name, &[1], true);
                let m = self.conv(&Image { name: m, channels: 1, size: p.size }, 1, 3);
                let m = self.b.sigmoid(&m.name);
                self.b.mul(&p.name, &m)
            }
        };
        p.like(y)
    }

    /// Squeeze and excite: `s` is what each channel gave over the whole image.
    fn excited(&mut self, p: &Image, s: &str) -> String {
        let c = p.channels;
        let e = if self.dice.below(2) == 0 {
            let s = self.conv(&Image { name: s.to_owned(), channels: c, size: 1 }, 4, 1);
            let s = s.like(self.b.relu(&s.name));
            self.conv(&s, c, 1).name
        } else {
            let t = Tokens { name: self.b.reshape(s, &[-1, c]), count: 1, width: c };
            let t = self.linear(&t, 4);
            let t = t.like(self.b.relu(&t.name));
            let t = self.linear(&t, c);
            self.b.reshape(&t.name, &[-1, c, 1, 1])
        };
        let e = self.b.sigmoid(&e);
        self.b.mul(&p.name, &e)
    }

    /// The same numbers on other axes.
    fn shuffled(&mut self, p: &Image) -> Image {
        let (c, s) = (p.channels, p.size);
        match self.dice.below(6) {
            0 | 1 => {
                let g = self.dice.one_of(&[2, c / 2]);
                let r = self.b.reshape(&p.name, &[-1, g, c / g, s, s]);
                let t = self.b.transpose(&r, &[0, 2, 1, 3, 4]);
                p.like(self.b.reshape(&t, &[-1, c, s, s]))
            }
            2 => {
                let q = self.conv(p, 16, 1);
                let mode = self.dice.one_of(&["DCR", "CRD"]);
                let y = self.b.op("DepthToSpace", &[&q.name], vec![("blocksize", A::I(2)), ("mode", A::S(mode))]);
                let y = self.b.pool(&y);
                Image { name: y, channels: 4, size: s }
            }
            3 if s > 2 => {
                let y = self.b.op("SpaceToDepth", &[&p.name], vec![("blocksize", A::I(2))]);
                self.conv(&Image { name: y, channels: 4 * c, size: s / 2 }, 8, 1)
            }
            4 => p.like(self.strided(p)),
            _ => {
                let repeats = self.b.ints(&[1, 2, 1, 1]);
                let y = self.b.op("Tile", &[&p.name, &repeats], vec![]);
                self.conv(&Image { name: y, channels: 2 * c, size: s }, 8, 1)
            }
        }
    }

    /// A copy by positions in memory, as the default exporter of PyTorch writes a view with strides.
    fn strided(&mut self, p: &Image) -> String {
        let (c, s, b) = (p.channels, p.size, &mut self.b);
        let flat = b.reshape(&p.name, &[-1]);
        let (zero, one) = (b.scalar_int(0), b.scalar_int(1));
        let shape = b.op("Shape", &[&p.name], vec![]);
        let batch = b.gather(&shape, &zero, 0);
        let samples = b.op("Range", &[&zero, &batch, &one], vec![]);
        let step = b.scalar_int(c * s * s);
        let samples = b.mul(&samples, &step);
        let samples = b.unsqueeze(&samples, &[1, 2, 3]);
        let within = b.ints(&(0..c * s * s).collect::<Vec<_>>());
        let within = b.reshape(&within, &[1, c, s, s]);
        let indices = b.add(&samples, &within);
        b.gather(&flat, &indices, 0)
    }

    fn as_tokens(&mut self, p: &Image, depth: usize) -> Image {
        let (c, n) = (p.channels, p.size * p.size);
        let r = self.b.reshape(&p.name, &[-1, c, n]);
        let t = self.b.transpose(&r, &[0, 2, 1]);
        let t = self.token_steps(&Tokens { name: t, count: n, width: c }, depth);
        let r = self.b.transpose(&t.name, &[0, 2, 1]);
        Image { name: self.b.reshape(&r, &[-1, t.width, p.size, p.size]), channels: t.width, size: p.size }
    }
}
