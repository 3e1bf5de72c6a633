//! Runs a property on many inputs, bounded by count or time, and notices if one never ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestCaseError, TestRunner},
};

/// Inputs between two looks at the clock.
const BATCH: u32 = 256;
/// How long an input may take at most: honest ones take milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a property says of an input.
pub(crate) type Verdict = Result<(), TestCaseError>;

/// How long to search; none for one short run.
fn time_limit() -> Option<Duration> {
    let seconds = std::env::var("FUZZ_SECONDS").ok()?;
    Some(Duration::from_secs(seconds.parse().expect("FUZZ_SECONDS is a number of seconds")))
}

/// Tries inputs, and prints how many.
///
/// # Panics
/// With the smallest input found that breaks the property, and if an input takes too long.
pub(crate) fn search<S>(
    name: &'static str,
    inputs: impl FnOnce() -> S + Send + 'static,
    property: impl Fn(S::Value) -> Verdict + Send + 'static,
) where
    S: Strategy + 'static,
{
    let tried = Arc::new(AtomicU64::new(0));
    let (done, finished) = mpsc::channel();
    let counter = Arc::clone(&tried);
    std::thread::spawn(move || {
        // The receiver is gone if the search was given up.
        done.send(run(&inputs(), &property, &counter)).ok();
    });
    let mut before = None;
    let result = loop {
        match finished.recv_timeout(PATIENCE) {
            Ok(result) => break result,
            Err(RecvTimeoutError::Disconnected) => break Err("the search itself panicked".to_owned()),
            Err(RecvTimeoutError::Timeout) => {
                let now = tried.load(Ordering::Relaxed);
                assert_ne!(before.replace(now), Some(now), "{name}: one input takes more than {PATIENCE:?}");
            }
        }
    };
    let findings = u8::from(result.is_err());
    println!("fuzz: {name}: {} inputs, {findings} findings", tried.load(Ordering::Relaxed));
    if let Err(finding) = result {
        panic!("{name}: {finding}");
    }
}

fn run<S: Strategy>(inputs: &S, property: &impl Fn(S::Value) -> Verdict, tried: &AtomicU64) -> Result<(), String> {
    let (begun, limit) = (Instant::now(), time_limit());
    loop {
        // A new one each time: a runner that has had its number of cases runs no more.
        let mut runner = TestRunner::new(Config {
            cases: BATCH,
            // What was found is printed, and becomes a test of its own.
            failure_persistence: None,
            max_global_rejects: u32::MAX,
            ..Config::default()
        });
        let found = runner.run(inputs, |input| {
            tried.fetch_add(1, Ordering::Relaxed);
            property(input)
        });
        found.map_err(|error| error.to_string())?;
        if limit.is_none_or(|limit| begun.elapsed() >= limit) {
            return Ok(());
        }
    }
}
