//! The real program as a child process: its environment, its log, its end.

use std::{
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Threads that read a server's output.
const READERS: usize = 2;

/// The program with a clean environment, run in `folder`.
pub(crate) fn buoy(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    with_clean_environment(Command::new(env!("CARGO_BIN_EXE_buoy")), folder, arguments, variables)
}

fn with_clean_environment(
    mut command: Command,
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Command {
    command.args(arguments).env_clear().current_dir(folder).stdin(Stdio::null());
    command.envs(variables.iter().copied());
    // Coverage is written to the folder of the test run.
    command.envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
    command
}

/// Runs the program to its end, which must come within the patience of a test.
pub(crate) fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let mut command = buoy(folder, arguments, variables);
    let mut child = Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("buoy starts"));
    let (out, err) = (reader(child.0.stdout.take()), reader(child.0.stderr.take()));
    let status = child.wait(PATIENCE).expect("the program ends by itself");
    let text = |reader: JoinHandle<String>| reader.join().expect("the output is text");
    Finished { status, out: text(out), err: text(err) }
}

/// Runs the program with nothing that reads its standard output; answers how it ended, and what it said on standard error.
pub(crate) fn run_unread(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (ExitStatus, String) {
    let (unread, pipe) = std::io::pipe().expect("a pipe can be made");
    drop(unread);
    let mut command = buoy(folder, arguments, variables);
    let mut child = Running(command.stdout(pipe).stderr(Stdio::piped()).spawn().expect("buoy starts"));
    let said = reader(child.0.stderr.take());
    let status = child.wait(PATIENCE).expect("the program ends by itself");
    (status, said.join().expect("the output is text"))
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    let mut pipe = pipe.expect("the output is piped");
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).expect("the output is text");
        text
    })
}

/// What a program left that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Finished {
    /// All that it printed.
    pub(crate) fn output(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// A child that is killed, by its id, when the test forgets it.
#[derive(Debug)]
struct Running(Child);

impl Running {
    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if let Some(status) = self.0.try_wait().expect("the child can be asked") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// `buoy serve`, and what it has logged so far.
#[derive(Debug)]
pub(crate) struct Server {
    child: Running,
    lines: Arc<Mutex<Vec<String>>>,
    /// Whether the reader of its log stalls.
    stalled: Arc<AtomicBool>,
}

impl Server {
    /// Starts the service on any free port.
    pub(crate) fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        Self::spawn(buoy(folder, &["serve"], &[]), variables)
    }

    /// The same with SIGHUP ignored, as nohup starts a program.
    pub(crate) fn start_under_nohup(folder: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_ignoring("HUP", folder, variables)
    }

    /// The same with a signal ignored.
    pub(crate) fn start_ignoring(signal: &str, folder: &Path, variables: &[(&str, &str)]) -> Self {
        let script = format!("trap '' {signal}; exec \"$0\" serve");
        let script = ["-c", script.as_str(), env!("CARGO_BIN_EXE_buoy")];
        Self::spawn(with_clean_environment(Command::new("/bin/sh"), folder, &script, &[]), variables)
    }

    fn spawn(mut command: Command, variables: &[(&str, &str)]) -> Self {
        command.envs([("PORT", "0"), ("LOG_FORMAT", "json")]).envs(variables.iter().copied());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Running(command.spawn().expect("buoy starts"));
        let (lines, stalled) = (Arc::default(), Arc::default());
        gather(child.0.stdout.take(), &lines, &stalled);
        gather(child.0.stderr.take(), &lines, &stalled);
        Self { child, lines, stalled }
    }

    /// Bounds what its files may grow to, as a full disk does; none lifts the bound.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let arguments = [format!("--pid={}", self.child.0.id()), format!("--fsize={limit}:")];
        let set = Command::new("prlimit").args(arguments).status().expect("prlimit of util-linux runs");
        assert!(set.success(), "the limit is set");
    }

    /// From now on its output is not read, or is read again.
    pub(crate) fn stall_reader(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Relaxed);
    }

    /// The address it listens on.
    ///
    /// # Panics
    /// Fails if it does not say so in time, with all that it did say.
    pub(crate) async fn address(&mut self) -> String {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && self.exit_status().is_none() {
            let address = self.logs().iter().find_map(listening);
            if let Some(address) = address {
                return address;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the service does not listen:\n{}", self.lines().join("\n"));
    }

    /// Every line it has written so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no reader panicked").clone()
    }

    /// Those lines that are JSON objects.
    pub(crate) fn logs(&self) -> Vec<Value> {
        self.lines().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Sends a signal, for example `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.0.id();
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {id}")).status().expect("sh starts");
        assert!(sent.success(), "signal {name} reaches process {id}");
    }

    /// Kills it without notice, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.0.kill().expect("the child can be killed");
        self.child.0.wait().expect("the child can be awaited");
    }

    /// How it ended, if it has.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.0.try_wait().expect("the child can be asked")
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let status = self.child.wait(limit);
        status.unwrap_or_else(|| panic!("still running after {limit:?}:\n{}", self.lines().join("\n")))
    }

    /// The most memory it has held so far, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.0.id())).expect("Linux tells");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the line is there");
        line.trim().trim_end_matches(" kB").parse().expect("it is a number")
    }
}

fn gather(pipe: Option<impl Read + Send + 'static>, lines: &Arc<Mutex<Vec<String>>>, stalled: &Arc<AtomicBool>) {
    let (pipe, lines, stalled) = (pipe.expect("the output is piped"), Arc::clone(lines), Arc::clone(stalled));
    // Ends with the child, which closes the pipe, or with the test, which ends the stall.
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            lines.lock().expect("no reader panicked").push(line);
            while stalled.load(Ordering::Relaxed) && Arc::strong_count(&stalled) > READERS {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    });
}

fn listening(line: &Value) -> Option<String> {
    let rest = line["message"].as_str()?.strip_prefix("listening on ")?;
    Some(rest.split(',').next().unwrap_or(rest).to_owned())
}
