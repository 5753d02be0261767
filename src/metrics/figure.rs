/// How a figure is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// A share of 1, shown in per cent.
    Share,
    /// A number that may be of any size.
    Number,
}

/// One number that says how good a model is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// As tables and reports call it.
    pub name: &'static str,
    /// The number; `None` where nothing was there to judge, or it is not finite.
    pub value: Option<f64>,
    /// How it is read.
    pub unit: Unit,
}

impl Figure {
    /// A share of 1.
    pub fn share(name: &'static str, value: f64) -> Self {
        Figure { name, value: Some(value).filter(|x| x.is_finite()), unit: Unit::Share }
    }

    /// Any number.
    pub fn number(name: &'static str, value: f64) -> Self {
        Figure { unit: Unit::Number, ..Figure::share(name, value) }
    }
}
