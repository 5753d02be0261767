//! Judging detectors.

use super::judge::{Answers, Judge, class_name};
use super::{Error, Progress, Request, Result};
use crate::data::{BoundingBox, Target};
use crate::metrics::detection::{Coco, DecodeOptions, Detection, Placement, Truth, decode};
use crate::report::{ClassRow, EvaluatedModel, FoundBox, Prediction};

pub(super) struct Detect {
    names: Vec<String>,
    output: Option<String>,
    options: DecodeOptions,
    found: Coco,
}

impl Detect {
    pub fn new(classes: &[String], request: &Request) -> Self {
        Detect {
            names: classes.to_vec(),
            output: request.output.clone(),
            options: request.decode,
            found: Coco::new(classes.len()),
        }
    }
}

impl Judge for Detect {
    fn task(&self) -> &'static str {
        "detection"
    }

    fn add(&mut self, answers: &Answers, progress: &mut dyn Progress) -> Result<()> {
        let pictures = answers.output(self.output.as_deref(), |t| decode(t, self.names.len(), &self.options))?;
        for (i, (target, found)) in answers.batch.targets.iter().zip(pictures).enumerate() {
            let Target::Boxes(boxes) = target else {
                return Err(answers.sample(i, "has no list of objects, as others have"));
            };
            let place = place(answers, i)?;
            let found: Vec<Detection> = found.iter().map(|d| place.undo(d)).collect();
            self.found.add(&boxes.iter().map(truth).collect::<Vec<_>>(), &found);
            let tell = || self.told(answers, i, &found);
            progress.prediction(&tell).map_err(Error::Predictions)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, report: &mut EvaluatedModel, _: &mut dyn FnMut(String)) {
        let figures = self.found.figures();
        report.figures.extend(figures.figures().into_iter().map(Into::into));
        let row = |(i, class): (usize, &crate::metrics::detection::ClassPrecision)| ClassRow {
            class: class_name(&self.names, i),
            samples: class.objects as u64,
            ap: class.ap,
            ap50: class.ap50,
            ..ClassRow::default()
        };
        report.classes = figures.per_class.iter().enumerate().map(row).collect();
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
    Truth { xywh, class: object.class, crowd: object.crowd, area: xywh[2] * xywh[3] }
}

fn place(_answers: &Answers, _i: usize) -> Result<Placement> {
    Ok(Placement { original: [f64::MAX; 2], scale: [1.0; 2], offset: [0.0; 2] })
}
