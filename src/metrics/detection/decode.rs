//! From a detector's output to boxes.

use super::{Detection, suppress};
use crate::metrics::{Error, Result};
use crate::runtime::Tensor;

/// What becomes a detection. The defaults are those under which detectors of this kind are usually evaluated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecodeOptions {
    /// Scores from which on a candidate counts.
    pub confidence: f64,
    /// Overlap from which on the lower of two scores is dropped.
    pub overlap: f64,
    /// Detections per image.
    pub most: usize,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        DecodeOptions { confidence: 0.001, overlap: 0.7, most: 300 }
    }
}

/// Candidates per image that suppression looks at, the highest scores first.
const CANDIDATES: usize = 30_000;

/// The detections of each image, in pixels of the model's input. Two forms are understood:
///
/// | output | what it holds |
/// | --- | --- |
/// | `[n, 4 + classes, anchors]` | per anchor the centre and size of a box and a score for each class, undecided: an anchor may stand for several classes, and suppression is done here |
/// | `[n, detections, 6]` | left, top, right, bottom, score, class: the model has decided itself |
///
/// # Errors
/// [`Error::Form`] for every other form, [`Error::Class`] when the model names a class beyond the last.
pub fn decode(output: &Tensor, classes: usize, options: &DecodeOptions) -> Result<Vec<Vec<Detection>>> {
    let refuse = |why: String| Err(Error::Form { shape: output.shape().to_vec(), why });
    let [_, rows, columns] = *output.shape() else { return refuse("is no list of boxes per image".to_owned()) };
    let (raw, decided) = (rows == 4 + classes, columns == 6);
    let values = output.to_f64_vec();
    let images = values.chunks_exact((rows * columns).max(1));
    match (raw, decided) {
        // The boxes of few anchors and of few detections look alike only where there are as many as both.
        (true, true) => refuse(format!("may hold {columns} anchors or {rows} decided boxes")),
        (true, false) => Ok(images.map(|p| undecided(p, columns, options)).collect()),
        (false, true) => images.map(|p| ready(p, classes, options)).collect(),
        (false, false) => {
            let why =
                format!("is neither [n, {}, anchors], for {classes} classes, nor [n, detections, 6]", 4 + classes);
            refuse(why)
        }
    }
}

fn undecided(image: &[f64], anchors: usize, options: &DecodeOptions) -> Vec<Detection> {
    let mut found = Vec::new();
    let mut lines = image.chunks_exact(anchors.max(1));
    let [Some(x), Some(y), Some(width), Some(height)] = [lines.next(), lines.next(), lines.next(), lines.next()] else {
        return found;
    };
    for (class, scores) in lines.enumerate() {
        for (i, score) in scores.iter().copied().enumerate().filter(|(_, score)| *score > options.confidence) {
            let xywh = [x[i] - width[i] / 2.0, y[i] - height[i] / 2.0, width[i], height[i]];
            found.push(Detection { xywh, class, score });
        }
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(CANDIDATES);
    suppress(found, options.overlap, options.most)
}

fn ready(image: &[f64], classes: usize, options: &DecodeOptions) -> Result<Vec<Detection>> {
    let mut found = Vec::new();
    for row in image.chunks_exact(6) {
        let &[left, top, right, bottom, score, class] = row else { continue };
        if score <= options.confidence || score.is_nan() {
            continue;
        }
        // A class is written as a float; the cast of what is no number gives 0, of what is too large the largest.
        let class = class.round() as usize;
        if class >= classes {
            return Err(Error::Class { class, classes });
        }
        found.push(Detection { xywh: [left, top, right - left, bottom - top], class, score });
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(options.most);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_head_is_suppressed_class_by_class() {
        // Three anchors, two classes: the first two boxes are nearly the same.
        let head = vec![
            10f32, 10.5, 40., /**/ 10., 10., 40., /**/ 8., 8., 4., /**/ 8., 8., 4., /**/
            //
            0.9, 0.8, 0.0005, /**/ 0.2, 0.3, 0.5,
        ];
        let found = decode(&Tensor::new([1, 6, 3], head).unwrap(), 2, &DecodeOptions::default()).unwrap();
        let score = |x: f64| f64::from(x as f32);
        let all: Vec<(f64, usize, f64)> = found[0].iter().map(|d| (d.xywh[0], d.class, d.score)).collect();
        assert_eq!(all, [(6.0, 0, score(0.9)), (38.0, 1, score(0.5)), (6.5, 1, score(0.3))]);
    }

    #[test]
    fn decided_boxes_are_taken_as_they_are() {
        let rows =
            vec![1f32, 2., 4., 6., 0.5, 1., /**/ 1., 2., 4., 6., 0.75, 0., /**/ 0., 0., 0., 0., 0., 0.];
        let found = decode(&Tensor::new([1, 3, 6], rows.clone()).unwrap(), 5, &DecodeOptions::default()).unwrap();
        assert_eq!(found[0][0], Detection { xywh: [1.0, 2.0, 3.0, 4.0], class: 0, score: 0.75 });
        assert_eq!(found[0].len(), 2);
        let beyond = decode(&Tensor::new([1, 3, 6], rows).unwrap(), 1, &DecodeOptions::default());
        assert!(matches!(beyond, Err(Error::Class { class: 1, classes: 1 })));
    }

    #[test]
    fn other_forms_are_refused() {
        let refused = |shape: &[usize], classes| {
            let output = Tensor::new(shape, vec![0f32; shape.iter().product()]).unwrap();
            decode(&output, classes, &DecodeOptions::default()).is_err()
        };
        assert!(refused(&[1, 85, 100], 80) && refused(&[1, 100, 84], 80) && refused(&[1, 84], 80));
        assert!(refused(&[1, 6, 6], 2) && !refused(&[1, 84, 100], 80) && !refused(&[2, 300, 6], 80));
    }
}
