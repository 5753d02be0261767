//! Signals that end the program.
//!
//! The first SIGINT, SIGTERM or SIGHUP lets the run stop at its next step, the second ends the program at once; both
//! remove what is not yet in place. Where nobody asks between steps whether to go on (reading standard input, waiting
//! for the reader of a pipe), the first is as good as the second.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use onnx_prune::files;
use onnx_prune::job::Cancel;

use super::failure::exit;
use super::terminal;

/// The first signal; 0 before it.
static RECEIVED: AtomicI32 = AtomicI32::new(0);
/// What it stops.
static CANCEL: LazyLock<Cancel> = LazyLock::new(Cancel::new);
/// Whether somebody asks for it.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Says whether somebody asks for signals from now on.
pub fn set_asked(asked: bool) {
    ASKED.store(asked, Ordering::SeqCst);
}

/// What the first signal cancels.
pub fn cancel() -> &'static Cancel {
    &CANCEL
}

/// The exit code of a run that a signal ended.
pub fn exit_code() -> u8 {
    code(RECEIVED.load(Ordering::SeqCst))
}

/// As shells number it.
fn code(signal: i32) -> u8 {
    u8::try_from(signal).ok().filter(|n| *n > 0).and_then(|n| n.checked_add(128)).unwrap_or(exit::INTERRUPTED)
}

/// On a thread of its own, so that anything may be called.
fn on(signal: i32) {
    let first = RECEIVED.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    CANCEL.cancel();
    if first && ASKED.load(Ordering::SeqCst) {
        return;
    }
    let placed = files::abandon();
    let names: Vec<String> = placed.iter().map(|path| terminal::shown(&path.display().to_string())).collect();
    terminal::say(&match names.as_slice() {
        [] => "interrupted".to_owned(),
        names => format!("interrupted; already written: {}", names.join(", ")),
    });
    end(code(signal));
}

/// Begins to listen.
#[cfg(unix)]
pub fn listen() -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    explain_bus_errors();
    let mut all = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP) {
        all.push(SIGHUP);
    }
    let mut signals = signal_hook::iterator::Signals::new(all)?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || signals.forever().for_each(on))?;
    Ok(())
}

#[cfg(unix)]
fn end(code: u8) -> ! {
    // Destructors would wait for threads that are at work.
    signal_hook::low_level::exit(i32::from(code))
}

/// Whether whoever started the program wants it to outlive a signal, as nohup does.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    // SAFETY: an all-zero sigaction is a valid one.
    let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: with null for the new action nothing is changed, and `old` is there to be written to.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &mut old) };
    asked == 0 && old.sa_sigaction == libc::SIG_IGN
}

/// Large input files are mapped. When another program shortens one, touching what is gone raises SIGBUS, which would
/// end this program without a word.
#[cfg(target_os = "linux")]
fn explain_bus_errors() {
    extern "C" fn explain(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        const BEYOND_THE_END: libc::c_int = 2; // BUS_ADRERR
        const TEXT: &[u8] =
            b"error: a file was shortened by another program, or its disk failed, while it was in use; \
                              nothing was put in place\n";
        // SAFETY: the kernel gives a valid pointer with SA_SIGINFO. All functions called are async-signal-safe; none
        // allocates, locks or unwinds. Threads in the middle of anything do not matter: the process ends here.
        unsafe {
            if (*info).si_code == BEYOND_THE_END {
                libc::write(libc::STDERR_FILENO, TEXT.as_ptr().cast(), TEXT.len());
                libc::_exit(i32::from(exit::ERROR));
            }
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
    // SAFETY: an all-zero sigaction is valid; its fields are set before it is used, and the handler has the signature
    // that SA_SIGINFO asks for. It replaces that of the standard library, which looks for overflowing stacks: on
    // Linux those raise SIGSEGV.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = explain;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn explain_bus_errors() {}

/// Begins to listen.
#[cfg(not(unix))]
pub fn listen() -> std::io::Result<()> {
    ctrlc::set_handler(|| on(i32::from(exit::INTERRUPTED) - 128)).map_err(std::io::Error::other)
}

#[cfg(not(unix))]
fn end(code: u8) -> ! {
    std::process::exit(i32::from(code))
}
