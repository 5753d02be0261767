use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Runs `work(0)`, `work(1)`, … on threads of its own, ahead of who reads the results, which come in order. At most
/// `depth` results wait.
pub(super) struct Ahead<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
    next: usize,
}

struct Shared<T> {
    state: Mutex<QueueState<T>>,
    /// A result was taken, or nobody reads any more.
    room: Condvar,
    /// A result is there.
    ready: Condvar,
    count: usize,
    depth: usize,
}

struct QueueState<T> {
    /// The next piece of work that no thread has begun.
    begun: usize,
    /// Results taken.
    taken: usize,
    results: BTreeMap<usize, T>,
    stop: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, QueueState<T>> {
        // The state is whole between any two statements: a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece of work, as soon as there is room for its result.
    fn claim(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.stop || state.begun >= self.count {
                return None;
            }
            if state.begun < state.taken + self.depth {
                state.begun += 1;
                return Some(state.begun - 1);
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put(&self, at: usize, result: T) {
        self.lock().results.insert(at, result);
        self.ready.notify_one();
    }
}

impl<T: Send + 'static> Ahead<T> {
    /// Starts `threads` threads. `work` must not panic: a result that never comes would be waited for.
    pub fn new(count: usize, threads: usize, depth: usize, work: impl Fn(usize) -> T + Send + Sync + 'static) -> Self {
        let state = QueueState { begun: 0, taken: 0, results: BTreeMap::new(), stop: false };
        let (state, room, ready) = (Mutex::new(state), Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { state, room, ready, count, depth: depth.max(1) });
        let work = Arc::new(work);
        let start = |_| {
            let (shared, work) = (Arc::clone(&shared), Arc::clone(&work));
            std::thread::spawn(move || {
                while let Some(at) = shared.claim() {
                    shared.put(at, work(at));
                }
            })
        };
        let threads = (0..threads.clamp(1, count.max(1))).map(start).collect();
        Ahead { shared, threads, next: 0 }
    }
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.next >= self.shared.count {
            return None;
        }
        let mut state = self.shared.lock();
        loop {
            if let Some(result) = state.results.remove(&self.next) {
                self.next += 1;
                state.taken = self.next;
                drop(state);
                self.shared.room.notify_all();
                return Some(result);
            }
            state = self.shared.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.room.notify_all();
        for thread in self.threads.drain(..) {
            // A panic of a thread has been printed already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn results_come_in_order_and_never_too_far_ahead() {
        static AHEAD: AtomicUsize = AtomicUsize::new(0);
        for threads in [1, 2, 7] {
            AHEAD.store(0, Ordering::SeqCst);
            let mut all = Ahead::new(100, threads, 5, |i| {
                AHEAD.fetch_add(1, Ordering::SeqCst);
                i * i
            });
            for i in 0..100 {
                assert!(AHEAD.load(Ordering::SeqCst) <= i + 5, "{threads} threads ran away");
                assert_eq!(all.next(), Some(i * i));
            }
            assert_eq!(all.next(), None);
        }
    }

    #[test]
    fn who_stops_reading_waits_for_nobody() {
        let mut all = Ahead::new(usize::MAX, 3, 4, |i| i);
        assert_eq!(all.next(), Some(0));
        drop(all);
        assert_eq!(Ahead::new(0, 3, 4, |i| i).next(), None);
    }
}
