//! Targets with their wanted values.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Target, Timed, find, targets};

/// A target and the value that is wanted of it.
#[derive(Clone, Copy)]
pub struct Goal {
    /// The target.
    pub target: &'static dyn Target,
    /// The value, in the target's unit.
    pub wanted: f64,
}

impl Goal {
    /// A value of a target: `Goal::new(&Speedup, 2.0)`.
    pub fn new(target: &'static dyn Target, wanted: f64) -> Goal {
        Goal { target, wanted }
    }
}

impl PartialEq for Goal {
    fn eq(&self, other: &Goal) -> bool {
        self.target.key() == other.target.key() && self.wanted == other.wanted
    }
}

impl fmt::Debug for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.target.key(), self.wanted)
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target.show(self.wanted))
    }
}

/// One or more goals, all of which must hold; no target twice. Reports have them as `{"speedup": 2.0, "params": 0.6}`.
#[derive(Clone, PartialEq)]
pub struct Targets(Vec<Goal>);

impl Targets {
    /// A single goal.
    pub fn one(target: &'static dyn Target, wanted: f64) -> Targets {
        Targets::from(Goal::new(target, wanted))
    }

    /// The goals, in the order in which [`targets`] lists their targets; `None` where there is none. Of several for one
    /// target the last counts.
    pub fn all(goals: impl IntoIterator<Item = Goal>) -> Option<Targets> {
        let mut goals = goals.into_iter();
        let first = Targets::from(goals.next()?);
        Some(goals.fold(first, Targets::and))
    }

    /// These and one more, which replaces another for the same target.
    #[must_use]
    pub fn and(mut self, goal: Goal) -> Targets {
        self.0.retain(|g| g.target.key() != goal.target.key());
        self.0.push(goal);
        let place = |g: &Goal| targets().iter().position(|t| t.key() == g.target.key());
        self.0.sort_by_key(place);
        self
    }

    /// The goals.
    pub fn iter(&self) -> impl Iterator<Item = Goal> {
        self.0.iter().copied()
    }

    /// The goal, where it is the only one.
    pub fn only(&self) -> Option<Goal> {
        match self.0[..] {
            [goal] => Some(goal),
            _ => None,
        }
    }

    /// What is wanted of a target.
    pub fn wanted(&self, target: &dyn Target) -> Option<f64> {
        self.iter().find(|g| g.target.key() == target.key()).map(|g| g.wanted)
    }

    /// Goals that a clock decides, with their wanted values.
    pub fn timed(&self) -> impl Iterator<Item = (&'static dyn Timed, f64)> {
        self.iter().filter_map(|g| Some((g.target.timed()?, g.wanted)))
    }

    /// Whether a clock decides any of them.
    pub fn is_time(&self) -> bool {
        self.timed().next().is_some()
    }

    /// The same with what a clock decides so many times harder.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Targets {
        let harder = |g: Goal| match g.target.timed() {
            Some(timed) => Goal { wanted: timed.scaled(g.wanted, factor), ..g },
            None => g,
        };
        Targets(self.iter().map(harder).collect())
    }
}

impl From<Goal> for Targets {
    fn from(goal: Goal) -> Targets {
        Targets(vec![goal])
    }
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.0).finish()
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.iter().map(|g| g.to_string()).collect();
        f.write_str(&all.join(" and "))
    }
}

impl Serialize for Targets {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for Goal { target, wanted } in self.iter() {
            match target.is_integer() {
                true => map.serialize_entry(target.key(), &(wanted as u64))?,
                false => map.serialize_entry(target.key(), &wanted)?,
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Targets, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Targets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one or more targets, as in {\"speedup\": 2.0}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Targets, A::Error> {
                let mut goals = Vec::new();
                while let Some((key, wanted)) = map.next_entry::<String, f64>()? {
                    let target = find(&key).ok_or_else(|| A::Error::custom(format!("unknown target '{key}'")))?;
                    goals.push(Goal::new(target, wanted));
                }
                Targets::all(goals).ok_or_else(|| A::Error::custom("there is no target"))
            }
        }

        from.deserialize_map(Read)
    }
}

/// What a plan came to for one goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached {
    /// The goal.
    pub goal: Goal,
    /// The figure reached, in the target's unit; NaN where it cannot be told.
    pub figure: f64,
    /// Whether that will do.
    pub met: bool,
}

impl fmt::Display for Reached {
    /// What is missing: `the best reachable is 61.00 % of the parameters, wanted 50.00 % of the parameters`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the best reachable is {}, wanted {}", self.goal.target.show(self.figure), self.goal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Params, Size, Speedup, TimeFactor};
    use super::*;

    #[test]
    fn goals_come_in_one_order_and_once_each() {
        let all = [Goal::new(&Size, 1e6), Goal::new(&Params, 0.7), Goal::new(&Speedup, 2.0), Goal::new(&Params, 0.6)];
        let all = Targets::all(all).unwrap();
        assert_eq!(format!("{all:?}"), "{speedup: 2, params: 0.6, size: 1000000}");
        assert_eq!((all.wanted(&Params), all.wanted(&TimeFactor), all.only()), (Some(0.6), None, None));
        assert!(Targets::all([]).is_none());
    }

    #[test]
    fn reports_read_what_they_write() {
        for text in [r#"{"speedup":2.0}"#, r#"{"size":1000}"#, r#"{"speedup":2.0,"params":0.6,"milliseconds":5.5}"#] {
            let read: Targets = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
        for bad in ["{}", "2", r#"{"speedups":2.0}"#, r#"{"speedup":"2x"}"#] {
            assert!(serde_json::from_str::<Targets>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_times_are_made_harder() {
        let both = Targets::one(&TimeFactor, 2.0).and(Goal::new(&Params, 0.5));
        let harder = both.scaled(1.5);
        assert_eq!((harder.wanted(&TimeFactor), harder.wanted(&Params)), (Some(3.0), Some(0.5)));
    }
}
