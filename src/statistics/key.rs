//! Names of what can be known of groups and weights beside the weights themselves, and what holds it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::analysis::TensorId;

/// How many numbers a statistic has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// One per channel of a group.
    Channel,
    /// One per pair of channels of a group, row-major.
    Pair,
    /// One per element of a weight, in the order of its values.
    Element,
}

impl Extent {
    /// Numbers for a group of so many channels; `None` where they belong to a weight.
    pub fn of_group(self, channels: usize) -> Option<usize> {
        match self {
            Extent::Channel => Some(channels),
            Extent::Pair => channels.checked_mul(channels),
            Extent::Element => None,
        }
    }
}

/// An extent as a type.
pub trait Extents: 'static {
    /// The extent.
    const EXTENT: Extent;
}

/// Numbers that belong to a group.
pub trait OfGroup: Extents {}

/// One number per channel of a group.
pub enum PerChannel {}
/// One number per pair of channels of a group, row-major.
pub enum PerPair {}
/// One number per element of a weight, in the order of its values.
pub enum PerElement {}

impl Extents for PerChannel {
    const EXTENT: Extent = Extent::Channel;
}
impl Extents for PerPair {
    const EXTENT: Extent = Extent::Pair;
}
impl Extents for PerElement {
    const EXTENT: Extent = Extent::Element;
}
impl OfGroup for PerChannel {}
impl OfGroup for PerPair {}

/// Names a statistic, and how many numbers it has. Keys are made by the table in `statistics/table.rs`.
pub struct Key<E> {
    name: &'static str,
    extent: PhantomData<fn() -> E>,
}

impl<E> Key<E> {
    pub(super) const fn new(name: &'static str) -> Self {
        Key { name, extent: PhantomData }
    }

    /// The statistic's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<E> Clone for Key<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Key<E> {}

impl<E> fmt::Debug for Key<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A key of any extent.
pub trait AnyKey: fmt::Debug + Sync {
    /// The statistic's name.
    fn name(&self) -> &'static str;
    /// How many numbers it has.
    fn extent(&self) -> Extent;
}

impl<E: Extents> AnyKey for Key<E> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn extent(&self) -> Extent {
        E::EXTENT
    }
}

/// What is known of one group, by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupStatistics(BTreeMap<&'static str, Vec<f64>>);

impl GroupStatistics {
    /// The numbers of a statistic; `None` where they are not known.
    pub fn get<E: OfGroup>(&self, key: Key<E>) -> Option<&[f64]> {
        self.named(key.name)
    }

    /// The numbers of the statistic of that name.
    pub(crate) fn named(&self, name: &str) -> Option<&[f64]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Sets the numbers of a statistic.
    pub fn set<E: OfGroup>(&mut self, key: Key<E>, numbers: Vec<f64>) {
        self.0.insert(key.name, numbers);
    }

    /// The same with one statistic more.
    #[must_use]
    pub fn with<E: OfGroup>(mut self, key: Key<E>, numbers: Vec<f64>) -> Self {
        self.set(key, numbers);
        self
    }

    /// Sets the numbers of the statistic of that name.
    pub(crate) fn set_named(&mut self, name: &'static str, numbers: Vec<f64>) {
        self.0.insert(name, numbers);
    }

    /// Adds numbers to those of the statistic of that name.
    pub(super) fn add(&mut self, name: &'static str, more: Vec<f64>) {
        match self.0.get_mut(name) {
            Some(sums) => sums.iter_mut().zip(more).for_each(|(s, m)| *s += m),
            None => _ = self.0.insert(name, more),
        }
    }
}

/// What is known of the elements of one weight, by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightStatistics(BTreeMap<&'static str, Arc<[f32]>>);

impl WeightStatistics {
    /// One number per element; `None` where they are not known.
    pub fn get(&self, key: Key<PerElement>) -> Option<&Arc<[f32]>> {
        self.0.get(key.name)
    }

    /// Whether the numbers of a statistic are known.
    pub(crate) fn has(&self, key: &dyn AnyKey) -> bool {
        self.0.contains_key(key.name())
    }

    /// Sets the numbers of a statistic, one per element of the weight in the order of its values.
    pub fn set(&mut self, key: Key<PerElement>, numbers: impl Into<Arc<[f32]>>) {
        self.0.insert(key.name, numbers.into());
    }
}

/// What is known of a model beside its weights: what criteria may ask for.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// One for each group; empty where nothing is known of any.
    pub groups: Vec<GroupStatistics>,
    /// By the constant that holds the weight: gradients are handed in here.
    pub weights: BTreeMap<TensorId, WeightStatistics>,
}

impl Statistics {
    /// Nothing is known.
    pub const NONE: &'static Statistics = &Statistics { groups: Vec::new(), weights: BTreeMap::new() };
}
