//! Panics of decoders, which others wrote, as errors.

/// Does `work`; `None` where it panics.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    crate::runtime::quietly(work).ok()
}
