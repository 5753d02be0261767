//! Conv and ConvTranspose, with groups; depthwise is the case of one input channel per group.

use crate::algebra::{Dim, Monomial, Symbols, Term};
use crate::onnx::{self, proto::NodeProto};

use super::context::{Attributes, CostCx, InferCx, Inferred, RelateCx, Related, Rewrite, RewriteCx, Role};
use super::contraction::Contraction;
use super::{Operator, Work};

/// `Conv` (weight [out, in/g, k…]) or `ConvTranspose` (weight [in, out/g, k…]).
pub struct Conv {
    /// Whether this is the transposed convolution.
    pub transposed: bool,
    /// Where channels of input and output are; weights have them first.
    pub layout: ConvLayout,
}

/// Order of an image's axes.
#[derive(Clone, Copy, PartialEq)]
pub enum ConvLayout {
    /// [batch, channels, spatial…].
    ChannelsFirst,
    /// [batch, spatial…, channels].
    ChannelsLast,
}

impl ConvLayout {
    /// The axis of channels, and the first spatial one.
    pub fn axes(self, rank: usize) -> (usize, usize) {
        match self {
            ConvLayout::ChannelsFirst => (1, 2),
            ConvLayout::ChannelsLast => (rank.saturating_sub(1), 1),
        }
    }

    /// Puts the axes in order.
    pub fn arrange<T>(self, batch: T, channels: T, spatial: Vec<T>) -> Vec<T> {
        let mut axes = vec![batch];
        axes.extend(spatial);
        axes.insert(self.axes(axes.len() + 1).0, channels);
        axes
    }
}

/// Window attributes of convolutions and pools, with the defaults of the format.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// Kernel size per spatial axis.
    pub kernel: Vec<i64>,
    /// Step per spatial axis.
    pub strides: Vec<i64>,
    /// Padding: begins, then ends.
    pub pads: Vec<i64>,
    /// Spread of the kernel per spatial axis.
    pub dilations: Vec<i64>,
    /// SAME_UPPER, SAME_LOWER, VALID or NOTSET.
    pub auto_pad: String,
    /// Whether output sizes are rounded up.
    pub ceil: bool,
}

/// Attributes of convolutions and pools.
pub struct Windowed {
    /// The kernel, where an attribute gives it.
    kernel: Option<Vec<i64>>,
    strides: Vec<i64>,
    pads: Vec<i64>,
    dilations: Vec<i64>,
    auto_pad: String,
    ceil: bool,
    /// Groups of channels.
    group: i64,
    /// Of a transposed convolution.
    output_padding: Vec<i64>,
    output_shape: Option<Vec<i64>>,
}

impl Attributes for Windowed {
    fn parse(node: &NodeProto, _opset: i64) -> Windowed {
        let list = |name: &str| onnx::attr_ints(node, name).map(<[i64]>::to_vec);
        Windowed {
            kernel: list("kernel_shape"),
            strides: list("strides").unwrap_or_default(),
            pads: list("pads").unwrap_or_default(),
            dilations: list("dilations").unwrap_or_default(),
            auto_pad: onnx::attr_s(node, "auto_pad").unwrap_or("NOTSET").to_owned(),
            ceil: onnx::attr_i(node, "ceil_mode") == Some(1),
            group: onnx::attr_i(node, "group").unwrap_or(1),
            output_padding: list("output_padding").unwrap_or_default(),
            output_shape: list("output_shape"),
        }
    }
}

impl Windowed {
    /// The window of the kernel that an attribute gives.
    pub fn window(&self) -> Option<Window> {
        self.kernel.clone().map(|kernel| self.with_kernel(kernel))
    }

    /// The window of a kernel.
    fn with_kernel(&self, kernel: Vec<i64>) -> Window {
        let n = kernel.len();
        let list = |given: &[i64], default: i64, len: usize| match given.len() == len {
            true => given.to_vec(),
            false => vec![default; len],
        };
        Window {
            strides: list(&self.strides, 1, n),
            pads: list(&self.pads, 0, 2 * n),
            dilations: list(&self.dilations, 1, n),
            auto_pad: self.auto_pad.clone(),
            ceil: self.ceil,
            kernel,
        }
    }

    /// The window of a weight's kernel.
    fn over(&self, weight: &[Dim]) -> Option<Window> {
        let kernel: Option<Vec<i64>> = weight.get(2..)?.iter().map(Dim::known).collect();
        let w = self.with_kernel(kernel?);
        (w.strides.iter().all(|s| *s > 0) && self.group > 0).then_some(w)
    }
}

impl Window {
    /// Whether the window leaves spatial axis `k` as it is.
    pub fn passes(&self, k: usize) -> bool {
        self.kernel[k] == 1 && self.strides[k] == 1 && self.pads[k] == 0 && self.pads[k + self.kernel.len()] == 0
    }

    /// Output size of spatial axis `k`.
    pub fn size(&self, symbols: &mut Symbols, input: &Dim, k: usize) -> Dim {
        let (stride, n) = (self.strides[k], self.kernel.len());
        let one = Dim::from(1i64);
        if self.passes(k) {
            return input.clone();
        }
        if self.auto_pad.starts_with("SAME") {
            return symbols.floor_div(&input.plus(&Dim::from(stride.saturating_sub(1))), &Dim::from(stride));
        }
        let reach = self.dilations[k].saturating_mul(self.kernel[k].saturating_sub(1)).saturating_add(1);
        let padded = input.plus(&Dim::from(self.pads[k].saturating_add(self.pads[k + n]).saturating_sub(reach)));
        if !self.ceil {
            return symbols.floor_div(&padded, &Dim::from(stride)).plus(&one);
        }
        let out = symbols.floor_div(&padded.plus(&Dim::from(stride.saturating_sub(1))), &Dim::from(stride)).plus(&one);
        // The last window must start inside the input or its left padding.
        match (out.known(), input.known()) {
            (Some(o), Some(i)) if o.saturating_sub(1).saturating_mul(stride) >= i.saturating_add(self.pads[k]) => {
                Dim::from(o.saturating_sub(1))
            }
            _ => out,
        }
    }

    /// Size that spatial axis `k` had before this window went over it, where it divided it: what MaxUnpool gives.
    pub fn restored(&self, pooled: &Dim, k: usize) -> Option<Dim> {
        let (kernel, stride) = (*self.kernel.get(k)?, *self.strides.get(k)?);
        let pads = self.pads.get(k)?.saturating_add(*self.pads.get(k + self.kernel.len())?);
        let steps = pooled.minus(&Dim::from(1i64)).times(&Dim::from(stride));
        Some(steps.plus(&Dim::from(kernel.saturating_sub(pads))))
    }

    /// Whether the window never reaches over the end of its padded input.
    pub fn stays_inside(&self) -> bool {
        !self.ceil && !self.auto_pad.starts_with("SAME")
    }
}

impl Operator for Conv {
    fn about(&self) -> &'static str {
        "a contraction; groups are a factor of both channel axes, depthwise follows its input"
    }

    fn infer(&self, cx: &mut InferCx) -> Option<Inferred> {
        let (x, w) = (cx.shape(0)?.to_vec(), cx.shape(1)?.to_vec());
        let given = cx.attributes::<Windowed>();
        let g = Dim::from(given.group);
        let window = given.over(&w).filter(|w| w.kernel.len() + 2 == x.len())?;
        let channels = if self.transposed { w[1].times(&g) } else { w[0].clone() };
        let mut spatial = Vec::new();
        for (k, size) in x[self.layout.axes(x.len()).1..].iter().enumerate().take(window.kernel.len()) {
            spatial.push(if self.transposed {
                let n = window.kernel.len();
                let extra = given.output_padding.get(k).copied().unwrap_or(0);
                let stride = Dim::from(window.strides[k]);
                let sizes = given.output_shape.as_ref();
                if let Some(size) = sizes.and_then(|v| v.get((v.len() + k).checked_sub(n)?)) {
                    Dim::from(*size)
                } else if window.auto_pad.starts_with("SAME") {
                    size.times(&stride)
                } else {
                    let reach = window.dilations[k].saturating_mul(window.kernel[k].saturating_sub(1));
                    let pads = window.pads[k].saturating_add(window.pads[k + n]);
                    let fixed = reach.saturating_add(1).saturating_add(extra).saturating_sub(pads);
                    size.minus(&Dim::from(1i64)).times(&stride).plus(&Dim::from(fixed))
                }
            } else {
                window.size(cx.symbols, size, k)
            });
        }
        let dtype = cx.dtype(0);
        Some(Inferred::one(dtype, self.layout.arrange(x[0].clone(), channels, spatial)))
    }

    fn relate(&self, cx: &mut RelateCx) -> Option<Related> {
        let (x, w) = (cx.input(0)?, cx.input(1)?);
        let shape = cx.out_shape(0)?.to_vec();
        let (channel, from) = self.layout.axes(x.len());
        let (input, size) = (x[channel], &shape[channel]);
        let given = cx.attributes::<Windowed>();
        let (window, g) = (given.over(cx.shape(1)?)?, given.group);
        for &t in w.get(2..)? {
            cx.freeze(t, "kernel axis");
        }
        let out = cx.terms.atom(size.clone());
        let (i, o) = if self.transposed { (0, 1) } else { (1, 0) };
        if g == 1 {
            cx.unify(input, w[i]);
            cx.unify(out, w[o]);
            cx.role(1, i, Role::In);
        } else {
            let per_group = |d: &Dim| d.div_exact(&Dim::from(g));
            let (ci, co) = (per_group(&cx.terms.size(input))?, per_group(size)?);
            let (groups, ci, co) = (cx.terms.atom(Dim::from(g)), cx.terms.atom(ci), cx.terms.atom(co));
            let (inputs, outputs) = (cx.terms.product(&[groups, ci]), cx.terms.product(&[groups, co]));
            cx.unify(input, inputs);
            cx.unify(out, outputs);
            if self.transposed {
                cx.unify(w[0], inputs);
                cx.unify(w[1], co);
            } else {
                cx.unify(w[0], outputs);
                cx.unify(w[1], ci);
                cx.role(1, 1, Role::In);
            }
            // Groups of one channel (depthwise) follow their channel; other groups keep their number.
            if !cx.terms.size(ci).is(1) {
                cx.freeze(groups, "number of convolution groups");
            }
        }
        // A depthwise filter neither writes nor reads a channel, it scales one: it follows, unscored.
        let depthwise = g > 1 && cx.shape(1)?.get(1)?.is(1) && size.is(g);
        cx.role(1, o, if depthwise { Role::Carried } else { Role::Out });
        if !depthwise {
            [x[1], out].into_iter().for_each(|t| cx.mark(t, |f| f.convolved = true));
        }
        if let Some(b) = cx.input(2) {
            cx.unify(out, *b.first()?);
            cx.role(2, 0, Role::Carried);
        }
        let mut spatial = Vec::new();
        for k in 0..window.kernel.len() {
            spatial.push(if window.passes(k) && !self.transposed {
                x[k + from]
            } else {
                cx.freeze(x[k + from], "spatial axis");
                cx.frozen(&shape[k + from], "spatial axis")
            });
        }
        let axes = self.layout.arrange(x[0], out, spatial);
        // A fused convolution adds a tensor like its output.
        if let Some(added) = cx.input(3) {
            for (&a, &t) in axes.iter().zip(&added) {
                cx.unify(a, t);
            }
        }
        Some(Related::one(axes))
    }

    fn rewrite(&self, cx: &mut RewriteCx) -> Option<Rewrite> {
        let g = cx.attributes::<Windowed>().group;
        if g <= 1 {
            return Some(Rewrite::default());
        }
        // Only the groups of a depthwise convolution shrink: there each has one channel.
        let before = cx.before.first().copied().flatten()?.shape.as_ref()?.get(1)?;
        let groups = if before.is(g) { cx.shape(0)?.get(1)?.clone() } else { Dim::from(g) };
        Some(Rewrite::default().int("group", groups.known()?))
    }

    fn work(&self) -> Work {
        Work::Counted
    }

    fn macs(&self, cx: &CostCx) -> Vec<Monomial> {
        let count = || -> Option<Vec<Term>> {
            let w = cx.axes_in.get(1)?.as_ref()?;
            // One multiplication per weight element and output position (input position if transposed).
            let positions =
                if self.transposed { cx.axes_in.first()?.as_ref()? } else { cx.axes_out.first().copied()?? };
            let mut axes = w.clone();
            axes.push(*positions.first()?);
            let from = self.layout.axes(positions.len()).1;
            axes.extend(positions.get(from..)?.iter().take(w.len().saturating_sub(2)));
            Some(axes)
        };
        count().map(CostCx::product).unwrap_or_default()
    }

    fn contraction(&self, cx: &CostCx) -> Option<Contraction> {
        // Patches are read from channels first.
        if self.layout != ConvLayout::ChannelsFirst {
            return None;
        }
        let given = cx.attributes::<Windowed>();
        let window = given.over(cx.shape(1)?)?;
        let groups = usize::try_from(given.group).ok()?;
        let n = window.kernel.len();
        let mut transposed = None;
        if self.transposed {
            let plain = window.auto_pad == "NOTSET" && given.output_shape.is_none();
            if !plain || groups != 1 {
                return None;
            }
            let more = Some(&given.output_padding).filter(|p| p.len() == n);
            transposed = Some(more.map_or_else(|| vec![0; n], Vec::clone));
        }
        Some(Contraction {
            data: 0,
            data_axis: 1,
            weight: 1,
            out_axis: usize::from(self.transposed),
            in_axis: usize::from(!self.transposed),
            bias: Some(2),
            groups,
            window: Some(window),
            transposed,
            scale: 1.0,
        })
    }
}
