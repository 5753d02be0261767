//! Evaluating detectors.

use super::task::{Answers, Findings, Predictions, ReportedTask, TaskEvaluator, TaskOptions, class_name};
use super::{Error, Result};
use crate::data::{BoundingBox, Frame, Label};
use crate::metrics::detection::{Coco, DecodeOptions, Detection, Truth, decode};
use crate::report::{ClassRow, FoundBox, Prediction, Task};

pub(super) struct Detect {
    names: Vec<String>,
    output: Option<String>,
    options: DecodeOptions,
    found: Coco,
}

impl Detect {
    pub fn new(classes: &[String], options: &TaskOptions) -> Self {
        Detect {
            names: classes.to_vec(),
            output: options.output.clone(),
            options: options.decode,
            found: Coco::new(classes.len()),
        }
    }
}

impl TaskEvaluator for Detect {
    fn add(&mut self, answers: &Answers, predictions: &mut dyn Predictions) -> Result<()> {
        let images = answers.output(self.output.as_deref(), |t| decode(t, self.names.len(), &self.options))?;
        for (i, (target, found)) in answers.batch.targets.iter().zip(images).enumerate() {
            let Label::Boxes(boxes) = target else {
                return Err(answers.sample(i, "has no list of objects, as others have"));
            };
            let frame = answers.batch.frames.get(i);
            let frame = frame.ok_or_else(|| answers.sample(i, "is no image, and has a list of objects"))?;
            let found: Vec<Detection> = found.iter().map(|d| undo(frame, d)).collect();
            self.found.add(&boxes.iter().map(truth).collect::<Vec<_>>(), &found);
            let tell = || self.told(answers, i, &found);
            predictions.prediction(&tell).map_err(Error::Predictions)?;
        }
        Ok(())
    }
}

impl ReportedTask for Detect {
    fn task(&self) -> Task {
        Task::Detection
    }

    fn finish(self: Box<Self>) -> Findings {
        let found = self.found.figures();
        let row = |(i, class): (usize, &crate::metrics::detection::ClassPrecision)| ClassRow {
            class: class_name(&self.names, i),
            samples: class.objects as u64,
            ap: class.ap,
            ap50: class.ap50,
            ..ClassRow::default()
        };
        Findings {
            figures: found.figures().into_iter().map(Into::into).collect(),
            classes: found.per_class.iter().enumerate().map(row).collect(),
            ..Findings::default()
        }
    }
}

impl Detect {
    fn told(&self, answers: &Answers, i: usize, found: &[Detection]) -> Prediction {
        let one = |d: &Detection| FoundBox { class: class_name(&self.names, d.class), bbox: d.xywh, score: d.score };
        Prediction {
            model: answers.model.to_owned(),
            sample: answers.batch.names.get(i).cloned().unwrap_or_default(),
            classes: Vec::new(),
            boxes: Some(found.iter().map(one).collect()),
        }
    }
}

fn truth(object: &BoundingBox) -> Truth {
    let xywh = object.xywh.map(f64::from);
    let area = object.area.map_or(xywh[2] * xywh[3], f64::from);
    Truth { xywh, class: object.class, crowd: object.crowd, area }
}

/// A box of the model's input in pixels of the original, cut at its edges.
fn undo(frame: &Frame, found: &Detection) -> Detection {
    let [x, y, width, height] = found.xywh;
    let span = |from: f64, to: f64, axis: usize| {
        let (scale, offset) = (f64::from(frame.scale[axis]), f64::from(frame.offset[axis]));
        let [a, b] = [from, to].map(|v| ((v - offset) / scale).clamp(0.0, frame.size[axis] as f64));
        // A mirrored image has its right edge on the left.
        (a.min(b), (b - a).abs())
    };
    let ((left, width), (top, height)) = (span(x, x + width, 0), span(y, y + height, 1));
    Detection { xywh: [left, top, width, height], ..*found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(frame: Frame, xywh: [f64; 4]) -> [f64; 4] {
        undo(&frame, &Detection { xywh, class: 3, score: 0.5 }).xywh
    }

    #[test]
    fn a_letterbox_is_undone() {
        // 1280 x 720 in 640 x 640: half the size, 140 rows of padding above and below.
        let frame = Frame { size: [1280, 720], scale: [0.5; 2], offset: [0.0, 140.0] };
        assert_eq!(undone(frame, [10.0, 150.0, 20.0, 30.0]), [20.0, 20.0, 40.0, 60.0]);
        // What lies in the padding is cut.
        assert_eq!(undone(frame, [-10.0, 100.0, 20.0, 50.0]), [0.0, 0.0, 20.0, 20.0]);
    }

    #[test]
    fn a_mirrored_image_is_undone() {
        let frame = Frame { size: [100, 50], scale: [-2.0, 2.0], offset: [200.0, 0.0] };
        assert_eq!(undone(frame, [20.0, 10.0, 60.0, 40.0]), [60.0, 5.0, 30.0, 20.0]);
    }
}
