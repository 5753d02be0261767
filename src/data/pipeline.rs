//! What happens to a sample between the disk and the model, as declared by a preset or a file.

use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::steps::{CenterCrop, Letterbox, Normalize, Resize, Scale, Size, Step, Work};
use super::{Error, Result};

/// Order of the axes of an image in the model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AxisLayout {
    /// Channels, rows, columns.
    Nchw,
    /// Rows, columns, channels.
    Nhwc,
}

/// A declared sequence of steps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// Steps on pixels, then steps on numbers.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Order of the axes; read off the model's input unless given.
    #[serde(default)]
    pub layout: Option<AxisLayout>,
    /// Element type of the model's input, such as `float32`; only compared with the model, which decides.
    #[serde(default)]
    pub dtype: Option<String>,
    /// How token ids are brought to one length.
    #[serde(default)]
    pub tokens: Tokens,
}

/// How token ids are brought to one length.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Length of a sequence; the model's, or else that of the longest in the batch.
    #[serde(default)]
    pub length: Option<usize>,
    /// The id that fills short sequences up.
    #[serde(default)]
    pub pad: i64,
}

/// A pipeline by name, by file, or in words.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Preprocess {
    /// For ImageNet classifiers: shorter side to 8/7 of the model's input, the middle, ImageNet's mean and deviation.
    Imagenet,
    /// For CIFAR-10 classifiers: CIFAR-10's mean and deviation.
    Cifar,
    /// For YOLO detectors: a letterbox of the model's input size, values from 0 to 1.
    Yolo,
    /// Values from 0 to 1, nothing else.
    Unit,
    /// Bytes as they are.
    None,
    /// As declared.
    Declared(Pipeline),
}

impl Preprocess {
    /// Names of the presets, for help texts.
    pub const PRESETS: &[&str] = &["imagenet", "cifar", "yolo", "unit", "none"];

    /// Reads a preset's name, a TOML or JSON file, or JSON in words (`{"steps": …}`).
    ///
    /// # Errors
    /// [`Error::Pipeline`] when it is none of these, or declares what makes no sense.
    pub fn parse(text: &str) -> Result<Self> {
        let fail = |why: String| Error::Pipeline { origin: format!("'{text}'"), why };
        if let Some(preset) = Self::preset(&text.to_ascii_lowercase()) {
            return Ok(preset);
        }
        let pipeline = match text {
            json if json.trim_start().starts_with('{') => {
                serde_json::from_str::<Pipeline>(json).map_err(|e| fail(e.to_string()))?
            }
            path if Path::new(path).is_file() => {
                let words = std::fs::read_to_string(path).map_err(|e| Error::io(Path::new(path), e))?;
                match Path::new(path).extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
                    true => serde_json::from_str(&words).map_err(|e| fail(e.to_string()))?,
                    false => toml::from_str(&words).map_err(|e| fail(e.to_string().trim_end().to_owned()))?,
                }
            }
            _ => return Err(fail(format!("no such file, and no preset: those are {}", Self::PRESETS.join(", ")))),
        };
        pipeline.check().map_err(fail)?;
        Ok(Preprocess::Declared(pipeline))
    }

    fn preset(name: &str) -> Option<Self> {
        Some(match name {
            "imagenet" => Preprocess::Imagenet,
            "cifar" => Preprocess::Cifar,
            "yolo" => Preprocess::Yolo,
            "unit" => Preprocess::Unit,
            "none" => Preprocess::None,
            _ => return None,
        })
    }

    /// What a report says of it, and what [`parse`](Self::parse) reads again: the name of a preset, or the pipeline.
    pub fn recorded(&self) -> serde_json::Value {
        let name = match self {
            Preprocess::Imagenet => "imagenet",
            Preprocess::Cifar => "cifar",
            Preprocess::Yolo => "yolo",
            Preprocess::Unit => "unit",
            Preprocess::None => "none",
            Preprocess::Declared(pipeline) => return serde_json::json!(pipeline),
        };
        name.into()
    }

    /// The steps. Presets that scale images need the model's input size `[height, width]`.
    pub(super) fn pipeline(&self, size: Option<[usize; 2]>) -> Result<Pipeline> {
        let need = |name: &str| {
            size.ok_or_else(|| {
                let why = "the model leaves its input size open: declare the sizes in a pipeline file".to_owned();
                Error::Pipeline { origin: format!("'{name}'"), why }
            })
        };
        let unit = Step::Scale(Scale { divide: 255.0 });
        let normalize =
            |mean: [f32; 3], std: [f32; 3]| Step::Normalize(Normalize { mean: mean.into(), std: std.into() });
        let steps = match self {
            Preprocess::Declared(pipeline) => return Ok(pipeline.clone()),
            Preprocess::None => Vec::new(),
            Preprocess::Unit => vec![unit],
            Preprocess::Cifar => vec![unit, normalize([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616])],
            Preprocess::Yolo => {
                let [h, w] = need("yolo")?;
                vec![Step::Letterbox(Letterbox::new(Size::Sides([h, w]))), unit]
            }
            Preprocess::Imagenet => {
                let [h, w] = need("imagenet")?;
                // 224 out of 256, and the same share of other sizes.
                let shorter = (h.max(w) as f64 * 256.0 / 224.0).round() as usize;
                vec![
                    Step::Resize(Resize { size: Size::Square(shorter), interpolation: Default::default() }),
                    Step::CenterCrop(CenterCrop { size: Size::Sides([h, w]) }),
                    unit,
                    normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
                ]
            }
        };
        Ok(Pipeline { steps, ..Pipeline::default() })
    }
}

impl FromStr for Preprocess {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Preprocess::parse(text)
    }
}

impl Pipeline {
    /// What is wrong with it, if anything.
    fn check(&self) -> Result<(), String> {
        let mut numbers = false;
        for (i, step) in self.steps.iter().enumerate() {
            let fail = |why: String| format!("step {}: {why}", i + 1);
            match step.work() {
                Work::Pixels(_) if numbers => {
                    return Err(fail("steps on pixels must come before scale and normalize".into()));
                }
                Work::Pixels(s) => s.check().map_err(fail)?,
                Work::Numbers(s) => {
                    numbers = true;
                    s.check().map_err(fail)?;
                }
            }
        }
        match self.tokens.length {
            Some(0) => Err("tokens: a length of 0 leaves nothing".into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Result<Preprocess> {
        Preprocess::parse(text)
    }

    #[test]
    fn toml_and_json_declare_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        let words = "layout = \"nhwc\"\n\
                     [[steps]]\nkind = \"resize\"\nsize = [8, 9]\ninterpolation = \"bicubic\"\n\
                     [[steps]]\nkind = \"normalize\"\nmean = [0.5]\nstd = [0.5]\n";
        std::fs::write(&path, words).unwrap();
        let same = r#"{"layout": "nhwc", "steps": [
            {"kind": "resize", "size": [8, 9], "interpolation": "bicubic"},
            {"kind": "normalize", "mean": [0.5], "std": [0.5]}]}"#;
        assert_eq!(Preprocess::parse(path.to_str().unwrap()).unwrap(), json(same).unwrap());
    }

    #[test]
    fn one_number_is_for_all_channels() {
        let one = json(r#"{"steps": [{"kind": "normalize", "mean": 0.5, "std": 0.25}]}"#).unwrap();
        assert_eq!(one, json(r#"{"steps": [{"kind": "normalize", "mean": [0.5], "std": [0.25]}]}"#).unwrap());
        let mixed = json(r#"{"steps": [{"kind": "normalize", "mean": [0.1, 0.2, 0.3], "std": 0.5}]}"#);
        assert!(mixed.is_ok(), "{mixed:?}");
        let bad = json(r#"{"steps": [{"kind": "normalize", "mean": "half", "std": 0.5}]}"#).unwrap_err().to_string();
        assert!(bad.contains("a number or a list of numbers"), "{bad}");
    }

    #[test]
    fn what_a_report_says_reads_back() {
        for name in Preprocess::PRESETS {
            let preset = Preprocess::parse(&name.to_uppercase()).unwrap();
            assert_eq!(preset.recorded(), serde_json::Value::from(*name));
        }
        let declared = json(r#"{"steps": [{"kind": "scale", "divide": 255}], "layout": "nhwc"}"#).unwrap();
        assert_eq!(json(&declared.recorded().to_string()).unwrap(), declared);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (bad, word) in [
            (r#"{"steps": [{"kind": "sharpen"}]}"#, "sharpen"),
            (r#"{"steps": [{"kind": "resize", "size": 8, "speed": 1}]}"#, "speed"),
            (r#"{"steps": [{"kind": "resize", "size": 0}]}"#, "step 1"),
            (r#"{"steps": [{"kind": "scale", "divide": 0}]}"#, "dividing"),
            (r#"{"steps": [{"kind": "scale", "divide": 255}, {"kind": "center-crop", "size": 4}]}"#, "step 2"),
            (r#"{"steps": [{"kind": "normalize", "mean": [0, 0, 0], "std": [1, 1]}]}"#, "3 means"),
            (r#"{"steps": [{"kind": "random-flip", "probability": 2}]}"#, "probability"),
            (r#"{"tokens": {"length": 0}}"#, "length"),
            ("nothing.toml", "no such file"),
        ] {
            let error = json(bad).unwrap_err().to_string();
            assert!(error.contains(word), "{bad}: {error}");
        }
    }
}
