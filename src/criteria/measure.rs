//! What is measured of items, and what is kept of a weight for it.

use std::fmt;
use std::sync::Arc;

use super::item::Positions;
use super::survivors::Survivors;
use super::{Error, Weight};
use crate::statistics::AnyKey;

/// A number for each channel of an item, kept true while channels go. [`Term`](super::Term)s are measures: sums over
/// the elements of a weight. Others keep a state of their own.
pub trait Measure: Sync {
    /// A name that no other measure has: items of one weight that are measured alike share a state.
    fn name(&self) -> &'static str;

    /// What is read of each element beside the weight. Items without it are not read.
    fn statistic(&self) -> Option<&'static dyn AnyKey>;

    /// What is kept of a weight.
    ///
    /// # Errors
    /// [`Error::NonFinite`], [`Error::Statistic`].
    fn state(&self, reading: Reading) -> Result<Box<dyn MeasureState>, Error>;
}

impl fmt::Debug for dyn Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A weight, and the items of it that are measured alike.
pub struct Reading {
    pub(super) weight: Arc<Weight>,
    pub(super) survivors: Survivors,
    pub(super) items: Vec<ReadItem>,
}

/// One of the items.
pub struct ReadItem {
    /// The tracked axis that the item lies on, as an index into those of the survivors.
    pub(super) track: usize,
    pub(super) positions: Arc<Positions>,
    /// Channels of the group.
    pub(super) channels: usize,
}

/// What is kept of one weight for one measure.
pub trait MeasureState: fmt::Debug + Send + Sync {
    /// What of the weight is still there; removed positions count until [`apply`](Self::apply).
    fn survivors(&mut self) -> &mut Survivors;

    /// Hears that a channel of an item, by its index in the reading, has gone.
    fn remove(&mut self, _item: usize, _channel: usize) {}

    /// Whether there is anything to apply.
    fn stale(&self) -> bool;

    /// Brings the measure up to date.
    fn apply(&mut self);

    /// The score of a channel that is still there.
    fn score(&self, item: usize, channel: usize) -> f64;
}
