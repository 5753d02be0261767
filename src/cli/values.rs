//! Parsers of argument values. What they refuse is a usage error.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use onnx_prune::analysis::{Given, Shapes};
use onnx_prune::criteria::{self, Criterion};
use onnx_prune::planning::{self, Scheme, targets};
use onnx_prune::prune::Preset;
use onnx_prune::runtime::Fill;

// More of either means nothing.
const MOST: usize = 1_000_000;

pub fn criterion() -> impl TypedValueParser<Value = &'static dyn Criterion> {
    PossibleValuesParser::new(criteria::criteria().iter().map(|c| c.name()))
        .try_map(|name| criteria::find(&name.to_lowercase()))
}

pub fn scheme() -> impl TypedValueParser<Value = &'static dyn Scheme> {
    PossibleValuesParser::new(planning::schemes().iter().map(|s| s.name()))
        .try_map(|name| planning::find_scheme(&name.to_lowercase()))
}

pub fn preset() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::ALL.map(|(name, _)| name)).try_map(|name| {
        let found = Preset::ALL.into_iter().find(|(n, _)| *n == name.to_lowercase());
        found.map(|(_, preset)| preset).ok_or_else(|| format!("no preset is called {name}"))
    })
}

pub fn positive(text: &str) -> Result<usize, String> {
    let n = text.parse().ok().filter(|n| (1..=MOST).contains(n));
    n.ok_or_else(|| format!("give an integer from 1 to {MOST}"))
}

pub fn floor(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(p) => p.trim().parse::<f64>().map(|x| x / 100.0),
        None => text.parse::<f64>(),
    };
    // NaN is in no range.
    number
        .ok()
        .filter(|x| (0.0..=1.0).contains(x))
        .ok_or_else(|| "give a share from 0 to 1, as in 0.1 or 10%".to_owned())
}

pub fn glob(text: &str) -> Result<String, String> {
    globset::Glob::new(text).map(|_| text.to_owned()).map_err(|e| e.kind().to_string())
}

pub fn ratio_for(text: &str) -> Result<(String, f64), String> {
    let (pattern, share) = text.rsplit_once('=').ok_or("give a pattern and a share, as in 'head.*=0.5'")?;
    let ratio = targets::parse("ratio", share).map_err(|e| e.to_string())?;
    Ok((glob(pattern)?, ratio.wanted))
}

/// A file for confusion matrices, whose name says in which form.
pub fn confusion(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let known = path.extension().is_some_and(|e| e == "json" || e == "svg");
    if known { Ok(path) } else { Err("give a file that ends in .json or .svg".to_owned()) }
}

/// Sizes by input name; an empty name stands for the only input.
#[derive(Clone)]
pub struct ShapeList(pub Shapes);

pub fn shapes(text: &str) -> Result<ShapeList, String> {
    text.split(',').map(shape).collect::<Result<_, _>>().map(ShapeList)
}

fn shape(text: &str) -> Result<Given, String> {
    // Names may hold equals signs, too; what stands behind the last one is a number, or this is an input.
    if let Some((name, n)) = text.rsplit_once('=')
        && let Ok(n) = n.trim().parse::<i64>()
    {
        let name = name.trim();
        return match n > 0 && !name.is_empty() {
            true => Ok(Given::Symbol(name.to_owned(), n)),
            false => Err(format!("'{text}' is not NAME=N with a size of 1 or more")),
        };
    }
    // Names may hold colons, sizes do not.
    let (name, dims) = text.rsplit_once(':').unwrap_or(("", text));
    let dims: Option<Vec<i64>> = dims.split('x').map(|d| d.trim().parse().ok().filter(|n| *n > 0)).collect();
    let dims = dims.ok_or_else(|| format!("'{text}' is not INPUT:AxBxC with sizes of 1 or more"))?;
    Ok(Given::Shape(name.trim().to_owned(), dims))
}

/// An input and its contents.
pub fn fill(text: &str) -> Result<(String, Fill), String> {
    let (name, what) = text.rsplit_once('=').ok_or("give an input and its contents, as in sr=16000 or mask=ones")?;
    Ok((name.to_owned(), what.parse::<Fill>().map_err(|e| e.to_string())?))
}

/// A time of more than nothing.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.trim_end_matches('s').parse::<f64>().ok().filter(|s| *s > 0.0 && *s <= MOST as f64);
    seconds.map(Duration::from_secs_f64).ok_or_else(|| format!("give seconds, more than 0 and at most {MOST}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_split_at_the_last_colon() {
        let all = shapes("images:0:1x3x640x640,mask:7").map(|s| s.0).unwrap();
        let shape = |name: &str, dims: &[i64]| Given::Shape(name.to_owned(), dims.to_vec());
        assert_eq!(all, [shape("images:0", &[1, 3, 640, 640]), shape("mask", &[7])]);
        assert_eq!(shapes("1x8").map(|s| s.0).unwrap(), [shape("", &[1, 8])]);
        let all = shapes("num_atoms=30,a=b:2x3,x:1 = 5").map(|s| s.0).unwrap();
        let symbol = |name: &str, n| Given::Symbol(name.to_owned(), n);
        assert_eq!(all, [symbol("num_atoms", 30), shape("a=b", &[2, 3]), symbol("x:1", 5)]);
        for bad in ["", "x:", "n=0", "n=-1", "=3", "n=x", "x:0x3", "x:-1", "x:1x", "x:nan", "99999999999999999999"] {
            assert!(shapes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_stay_in_their_ranges() {
        assert_eq!((floor("0.25"), floor("10%"), floor("1")), (Ok(0.25), Ok(0.1), Ok(1.0)));
        for bad in ["nan", "-0.1", "1.1", "inf", "", "%", "101%"] {
            assert!(floor(bad).is_err(), "{bad}");
        }
        for bad in ["0", "-1", "1.5", "", "99999999999999999999999"] {
            assert!(positive(bad).is_err(), "{bad}");
        }
        assert_eq!(ratio_for("a=b*=0.5"), Ok(("a=b*".to_owned(), 0.5)));
        for bad in ["a", "a=", "a=2", "[=0.5", "a=nan"] {
            assert!(ratio_for(bad).is_err(), "{bad}");
        }
    }
}
