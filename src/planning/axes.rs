//! Which kinds of axes may shrink.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::analysis::{AxisKind, UnknownKind};

/// A choice of kinds. By default the inside of layers and of heads; the residual width, whole heads, experts and bins
/// are shared by many layers or carry meanings of their own, and shrink only on request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Axes(BTreeSet<AxisKind>);

impl Axes {
    /// What may shrink unless said otherwise.
    const DEFAULT: [AxisKind; 3] = [AxisKind::Conv, AxisKind::Ffn, AxisKind::HeadDim];

    /// Every kind.
    pub fn all() -> Axes {
        Axes(AxisKind::ALL.into())
    }

    /// Whole heads instead of channels within heads.
    pub fn whole_heads() -> Axes {
        Axes([AxisKind::Conv, AxisKind::Ffn, AxisKind::Heads].into())
    }

    /// These and others.
    pub fn with(&self, more: impl IntoIterator<Item = AxisKind>) -> Axes {
        Axes(self.0.iter().copied().chain(more).collect())
    }

    /// Whether groups of this kind may shrink.
    pub fn contains(&self, kind: AxisKind) -> bool {
        self.0.contains(&kind)
    }
}

impl Default for Axes {
    fn default() -> Axes {
        Axes(Axes::DEFAULT.into())
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for Axes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |kinds: &mut dyn Iterator<Item = &AxisKind>| kinds.map(|k| k.name()).collect::<Vec<_>>();
        let names = if Axes::DEFAULT.iter().all(|k| self.contains(*k)) {
            let mut rest = names(&mut self.0.iter().filter(|k| !Axes::DEFAULT.contains(k)));
            rest.insert(0, "default");
            rest
        } else {
            names(&mut self.0.iter())
        };
        f.write_str(&names.join(","))
    }
}

impl FromStr for Axes {
    type Err = UnknownKind;

    /// Names of kinds between commas; `default` stands for the default ones and `all` for all.
    fn from_str(text: &str) -> Result<Axes, UnknownKind> {
        let mut out = Axes(BTreeSet::new());
        for name in text.to_ascii_lowercase().split(',').map(str::trim) {
            match name {
                "default" => out = out.with(Axes::DEFAULT),
                "all" => out = out.with(AxisKind::ALL),
                _ => drop(out.0.insert(name.parse()?)),
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_shown() {
        let read = |text: &str| text.parse::<Axes>().map(|a| a.to_string());
        assert_eq!(read("default").unwrap(), Axes::default().to_string());
        assert_eq!(read("residual, ffn,conv,head-dim").unwrap(), "default,residual");
        assert_eq!(read("ffn,heads").unwrap(), "ffn,heads");
        assert_eq!("all".parse(), Ok(Axes::all()));
        assert_eq!(Axes::all().to_string(), "default,heads,query-heads,residual,experts,distribution");
        assert_eq!(read("Conv,FFN").unwrap(), "conv,ffn");
        for bad in ["", "ffn,", "neurons"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
