//! What a criterion sees of a dependency group: places in weights that carry its channels.

use crate::statistics::GroupStatistics;

/// What an axis of a weight means to the group that owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemRole {
    /// Rows of a contraction weight (or embedding): they produce the channel.
    Out,
    /// Columns of a contraction weight: they consume the channel.
    In,
    /// Scale γ of a batch normalisation.
    BatchNorm,
    /// Scale γ of another normalisation (layer, group, instance, RMS).
    Norm,
    /// Follows the channel and is never scored: bias, running statistics.
    Carried,
}

/// A set of [`ItemRole`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// No role.
    pub const NONE: Roles = Roles(0);
    /// [`ItemRole::Out`].
    pub const OUT: Roles = Roles::of(ItemRole::Out);
    /// [`ItemRole::In`].
    pub const IN: Roles = Roles::of(ItemRole::In);
    /// [`ItemRole::BatchNorm`].
    pub const BATCH_NORM: Roles = Roles::of(ItemRole::BatchNorm);
    /// Every role but [`ItemRole::Carried`].
    pub const SCORED: Roles = Roles(Roles::OUT.0 | Roles::IN.0 | Roles::BATCH_NORM.0 | Roles::of(ItemRole::Norm).0);

    const fn of(role: ItemRole) -> Roles {
        Roles(1 << role as u8)
    }

    /// Whether `role` is in the set.
    pub const fn contains(self, role: ItemRole) -> bool {
        self.0 & Roles::of(role).0 != 0
    }
}

/// Entry of [`ScoredItem::channel`] for a position that is not the group's.
pub const NOT_MINE: u32 = u32::MAX;

/// One axis of one weight that carries a group's channels.
#[derive(Debug, Clone)]
pub struct ScoredItem {
    /// Index into the scoreboard's weights.
    pub weight: usize,
    /// Axis of that weight.
    pub axis: usize,
    /// What the axis means to the group.
    pub role: ItemRole,
    /// For each position of the axis its channel, or [`NOT_MINE`] (another part of a concatenation).
    /// Several positions may map to one channel (a flattened map, a factor of a product).
    pub channel: Vec<u32>,
}

/// A dependency group: channels that are removed together, and all the places that carry them.
#[derive(Debug, Clone)]
pub struct GroupItems {
    /// Name used in notes; it also selects the random criterion's stream.
    pub name: String,
    /// Number of channels.
    pub channels: usize,
    /// All the places, scored or not.
    pub items: Vec<ScoredItem>,
    /// What the data says of the group; empty without data.
    pub statistics: GroupStatistics,
}

/// The inverse of [`ScoredItem::channel`]: positions of each channel, ascending.
#[derive(Debug)]
pub(super) struct Positions {
    start: Vec<u32>,
    list: Vec<u32>,
}

impl Positions {
    /// Inverts `channel`; every entry is below `channels` or [`NOT_MINE`].
    pub(super) fn new(channel: &[u32], channels: usize) -> Positions {
        let mut start = vec![0u32; channels + 1];
        for &c in channel.iter().filter(|&&c| c != NOT_MINE) {
            start[c as usize + 1] += 1;
        }
        for c in 0..channels {
            start[c + 1] += start[c];
        }
        let mut next = start.clone();
        let mut list = vec![0u32; start[channels] as usize];
        for (p, &c) in channel.iter().enumerate().filter(|&(_, &c)| c != NOT_MINE) {
            list[next[c as usize] as usize] = p as u32;
            next[c as usize] += 1;
        }
        Positions { start, list }
    }

    /// Positions of `channel`, ascending.
    #[inline]
    pub(super) fn of(&self, channel: usize) -> &[u32] {
        &self.list[self.start[channel] as usize..self.start[channel + 1] as usize]
    }

    /// Most positions that any channel has.
    pub(super) fn width(&self) -> usize {
        self.start.windows(2).map(|w| (w[1] - w[0]) as usize).max().unwrap_or(0)
    }
}
