//! How far two boxes are the same.

/// Intersection over union of two boxes (left, top, width, height). With a crowd in the second place, the share of
/// the first that lies in it.
pub(super) fn overlap(a: &[f64; 4], b: &[f64; 4], crowd: bool) -> f64 {
    let width = (a[0] + a[2]).min(b[0] + b[2]) - a[0].max(b[0]);
    let height = (a[1] + a[3]).min(b[1] + b[3]) - a[1].max(b[1]);
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let (both, first, second) = (width * height, a[2] * a[3], b[2] * b[3]);
    both / if crowd { first } else { first + second - both }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_boxes() {
        let a = [0.0, 0.0, 2.0, 2.0];
        assert_eq!(overlap(&a, &a, false), 1.0);
        assert_eq!(overlap(&a, &[1.0, 1.0, 2.0, 2.0], false), 1.0 / 7.0);
        assert_eq!(overlap(&a, &[1.0, 1.0, 20.0, 20.0], true), 0.25);
        assert_eq!(overlap(&a, &[2.0, 0.0, 2.0, 2.0], false), 0.0);
    }
}
