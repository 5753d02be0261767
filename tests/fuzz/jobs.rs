//! Cases in child processes, and what becomes of them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::account;
use crate::case::{self, Outcome};
use crate::corpus::Corpus;

/// Cases of a run that asks for no number, and the time that each may take then, in seconds. Machines that run tests
/// may be slow.
const FEW: u64 = 3000;
const PATIENT: f64 = 60.0;

/// Cases of one child.
const CHUNK: u64 = 10_000;

/// Stack of the thread that runs cases: what a thread has that is given none of its own.
const STACK: usize = 2 << 20;

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Seconds that this process has computed.
fn computed() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `t` alone.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

/// Runs the cases `from..to` and prints a line for each that fails, then how many came how far.
pub fn child(range: &str) -> ExitCode {
    let (from, to) = range.split_once("..").unwrap();
    let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
    let seed = number("FUZZ_SEED").unwrap_or(0);
    let state = File::create(std::env::var("FUZZ_STATE").unwrap()).unwrap();
    let corpus = Corpus::read();
    watch(number("FUZZ_SECONDS").unwrap_or(PATIENT));
    std::panic::set_hook(Box::new(|info| {
        let at = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        let payload = info.payload();
        let words =
            payload.downcast_ref::<&str>().copied().or_else(|| Some(payload.downcast_ref::<String>()?.as_str()));
        *PANIC.lock().unwrap() = format!("{at}: {}", words.unwrap_or_default());
    }));
    let work = move || {
        let mut counts = [0u64; 3];
        for k in from..to {
            state.write_all_at(&k.to_le_bytes(), 0).unwrap();
            let bytes = corpus.case(seed, k);
            account::limit(bytes.len());
            BEGUN.store(computed().to_bits(), Relaxed);
            let result = catch_unwind(AssertUnwindSafe(|| case::run(&bytes)));
            BEGUN.store(f64::INFINITY.to_bits(), Relaxed);
            account::unlimited();
            match result {
                Ok(Ok(outcome)) => counts[outcome as usize] += 1,
                Ok(Err(why)) => println!("FAIL {k} {why}"),
                Err(_) => println!("FAIL {k} panic: {}", PANIC.lock().unwrap()),
            }
        }
        println!("DONE {} {} {}", counts[0], counts[1], counts[2]);
    };
    std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap();
    ExitCode::SUCCESS
}

static PANIC: Mutex<String> = Mutex::new(String::new());
/// When the case that runs began, as seconds that the process had computed.
static BEGUN: AtomicU64 = AtomicU64::new(f64::INFINITY.to_bits());

/// Ends the process once a case takes longer than it may.
fn watch(seconds: f64) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(50));
            if computed() - f64::from_bits(BEGUN.load(Relaxed)) > seconds {
                eprintln!("time: more than {seconds} s");
                std::process::abort();
            }
        }
    });
}

#[derive(Default)]
struct Sums {
    counts: [u64; 3],
    failed: Vec<(u64, String)>,
}

/// Runs cases in children, and the inputs that were found wrong once; prints what failed.
pub fn parent() -> ExitCode {
    let corpus = Corpus::read();
    let wrong = found(&corpus);
    let cases = number("FUZZ_CASES").unwrap_or(FEW);
    let (seed, first) = (number("FUZZ_SEED").unwrap_or(0u64), number("FUZZ_FROM").unwrap_or(0u64));
    let jobs =
        number("FUZZ_JOBS").unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from).min(4));
    let (next, end) = (AtomicU64::new(first), first + cases);
    let chunk = CHUNK.min(cases.div_ceil(jobs as u64).max(1));
    let sums = Mutex::new(Sums::default());
    std::thread::scope(|s| {
        for job in 0..jobs {
            let (next, sums) = (&next, &sums);
            s.spawn(move || {
                loop {
                    let from = next.fetch_add(chunk, Relaxed);
                    if from >= end {
                        return;
                    }
                    run_chunk(seed, from, (from + chunk).min(end), job, sums);
                    let s = sums.lock().unwrap();
                    if cases > FEW {
                        eprintln!("{} done, {} failed", s.counts.iter().sum::<u64>(), s.failed.len());
                    }
                }
            });
        }
    });
    let mut sums = sums.into_inner().unwrap();
    sums.failed.sort();
    for (k, why) in &sums.failed {
        println!("FUZZ_SEED={seed} FUZZ_FROM={k} FUZZ_CASES=1: {why}");
        if let Some(folder) = std::env::var_os("FUZZ_KEEP") {
            let path = PathBuf::from(folder).join(format!("{seed}-{k}.onnx"));
            std::fs::write(path, corpus.case(seed, *k)).unwrap();
        }
    }
    let [refused, frozen, pruned] = sums.counts;
    println!("{cases} cases of seed {seed}: {pruned} pruned, {frozen} without anything to prune, {refused} refused");
    // A run in which hardly anything is a model tells nothing.
    let told = cases < 100 || pruned * 10 > cases;
    if !told {
        println!("too few mutants were still models");
    }
    if sums.failed.is_empty() && wrong == 0 && told { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the inputs whose names say what is to come of them; gives how many came out otherwise.
fn found(corpus: &Corpus) -> usize {
    let mut wrong = 0;
    for (name, bytes) in corpus.found() {
        let wanted = match name.split('-').next() {
            Some("pruned") => Outcome::Pruned,
            Some("frozen") => Outcome::Frozen,
            _ => Outcome::Refused,
        };
        account::limit(bytes.len());
        let got = std::thread::scope(|s| {
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(s, || case::run(bytes)).unwrap().join().unwrap()
        });
        account::unlimited();
        if got != Ok(wanted) {
            println!("corpus/{name}.onnx: {got:?}");
            wrong += 1;
        }
    }
    wrong
}

fn run_chunk(seed: u64, mut from: u64, to: u64, job: usize, sums: &Mutex<Sums>) {
    let state = std::env::temp_dir().join(format!("onnx-prune-fuzz-{}-{job}", std::process::id()));
    while from < to {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env("FUZZ_CHILD", format!("{from}..{to}"))
            .env("FUZZ_STATE", &state)
            .env("FUZZ_SEED", seed.to_string())
            .env("RAYON_NUM_THREADS", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let said = std::thread::spawn(move || {
            let mut text = Vec::new();
            drop(stderr.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut done = false;
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            let mut words = line.splitn(3, ' ');
            match (words.next(), words.next(), words.next()) {
                (Some("FAIL"), Some(k), Some(why)) => {
                    eprintln!("case {k}: {why}");
                    sums.lock().unwrap().failed.push((k.parse().unwrap(), why.to_owned()));
                }
                (Some("DONE"), Some(first), Some(rest)) => {
                    let numbers = [first].into_iter().chain(rest.split(' '));
                    let mut s = sums.lock().unwrap();
                    s.counts.iter_mut().zip(numbers).for_each(|(c, n)| *c += n.parse::<u64>().unwrap());
                    done = true;
                }
                _ => {}
            }
        }
        let status = child.wait().unwrap();
        let said = said.join().unwrap();
        if done && status.success() {
            break;
        }
        // The case that ended the process stands in the file; those before it count as run.
        let at = std::fs::read(&state).ok().and_then(|b| b.try_into().ok()).map_or(from, u64::from_le_bytes);
        let why = format!("{status}: {}", said.trim().lines().next_back().unwrap_or_default());
        eprintln!("case {at}: {why}\n{said}");
        let mut s = sums.lock().unwrap();
        s.failed.push((at, why));
        from = at + 1;
    }
    drop(std::fs::remove_file(&state));
    drop(std::io::stdout().flush());
}
