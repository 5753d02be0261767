//! Where a picture lies in what the model sees, and back.

use super::Detection;

/// How pixels of the original became pixels of the model's input: scaled, then moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Width and height of the original.
    pub original: [f64; 2],
    /// Input pixels per pixel of the original, across and down.
    pub scale: [f64; 2],
    /// Where the left upper corner of the original lies in the input.
    pub offset: [f64; 2],
}

impl Placement {
    /// Scaled to fit with its proportions kept, and centred: what is left of the input is padding.
    pub fn letterbox(original: [f64; 2], input: [f64; 2]) -> Self {
        let gain = (input[0] / original[0]).min(input[1] / original[1]);
        // A pixel that cannot be halved goes to the right and to the bottom.
        let pad = |axis: usize| ((input[axis] - (original[axis] * gain).round()) / 2.0 - 0.1).round();
        Placement { original, scale: [gain; 2], offset: [pad(0), pad(1)] }
    }

    /// Stretched to fill the input.
    pub fn stretch(original: [f64; 2], input: [f64; 2]) -> Self {
        Placement { original, scale: [input[0] / original[0], input[1] / original[1]], offset: [0.0; 2] }
    }

    /// A box in pixels of the original, cut at its edges.
    pub fn undo(&self, found: &Detection) -> Detection {
        let [x, y, width, height] = found.xywh;
        let back = |value: f64, axis: usize| {
            ((value - self.offset[axis]) / self.scale[axis]).clamp(0.0, self.original[axis].max(0.0))
        };
        let (left, right) = (back(x, 0), back(x + width, 0));
        let (top, bottom) = (back(y, 1), back(y + height, 1));
        Detection { xywh: [left, top, right - left, bottom - top], ..*found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(xywh: [f64; 4]) -> Detection {
        Detection { xywh, class: 3, score: 0.5 }
    }

    #[test]
    fn a_letterbox_is_undone() {
        // 1280 x 720 in 640 x 640: half the size, 140 rows of padding above and below.
        let place = Placement::letterbox([1280.0, 720.0], [640.0, 640.0]);
        assert_eq!((place.scale, place.offset), ([0.5; 2], [0.0, 140.0]));
        assert_eq!(place.undo(&found([10.0, 150.0, 20.0, 30.0])).xywh, [20.0, 20.0, 40.0, 60.0]);
        // What lies in the padding is cut.
        assert_eq!(place.undo(&found([-10.0, 100.0, 20.0, 50.0])).xywh, [0.0, 0.0, 20.0, 20.0]);
        assert_eq!(Placement::letterbox([100.0, 99.0], [100.0, 100.0]).offset, [0.0, 0.0]);
    }

    #[test]
    fn a_stretch_is_undone() {
        let place = Placement::stretch([200.0, 50.0], [100.0, 100.0]);
        assert_eq!(place.undo(&found([10.0, 20.0, 30.0, 40.0])).xywh, [20.0, 10.0, 60.0, 20.0]);
    }
}
