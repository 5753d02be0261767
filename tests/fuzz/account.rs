//! An allocator that counts, and ends the process where a case takes more than it may.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// What a case may take beside 50 times its file.
const FREE: usize = 64 << 20;

/// Until the next call, this process may take 50 times `file` bytes and 64 MB more than now.
pub fn limit(file: usize) {
    LIMIT.store(LIVE.load(Relaxed).saturating_add(FREE).saturating_add(file.saturating_mul(50)), Relaxed);
}

/// No limit until the next one is set.
pub fn unlimited() {
    LIMIT.store(usize::MAX, Relaxed);
}

fn charge(size: usize) {
    let now = LIVE.fetch_add(size, Relaxed).wrapping_add(size);
    if now > LIMIT.load(Relaxed) {
        LIMIT.store(usize::MAX, Relaxed);
        eprintln!("memory: {} MB are in use, {} bytes were asked for last", now >> 20, size);
        if std::env::var_os("FUZZ_TRACE").is_some() {
            eprintln!("{}", std::backtrace::Backtrace::force_capture());
        }
        std::process::abort();
    }
}

// SAFETY: every call is handed on to the system's allocator as it is; beside it only numbers are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        charge(layout.size());
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        charge(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        charge(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, size) }
    }
}
