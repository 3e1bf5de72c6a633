//! Keeps the documents true: their links lead to files and headings that are there, and each block marked `sh run`
//! works as printed on a fresh service. A comment in a block is output that must come, in this order; `…` stands for
//! anything.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long the service may take to listen.
const PATIENCE: Duration = Duration::from_secs(15);
/// The address that the blocks name.
const PRINTED: &str = "localhost:8080";

/// A service that is killed, by its id, when the test ends.
struct Service {
    child: Child,
    address: String,
}

impl Service {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_buoy"));
        command.env_clear().current_dir(folder).env("PORT", "0").env("LOG_FORMAT", "text").stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("buoy starts");
        let log = BufReader::new(child.stdout.take().expect("the log is piped"));
        let (sender, receiver) = mpsc::channel();
        // Reads to the end, so that the service never waits for its reader.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening on http://127.0.0.1:") {
                    sender.send(rest.chars().take_while(char::is_ascii_digit).collect::<String>()).ok();
                }
            }
        });
        let mut service = Self { child, address: String::new() };
        let port = receiver.recv_timeout(PATIENCE).expect("the service says its port");
        service.address = format!("localhost:{port}");
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Markdown file for readers: those at the root, of `docs` and of `loadtest`.
fn books() -> Vec<PathBuf> {
    let folders = ["", "docs", "docs/adr", "loadtest"].map(|folder| root().join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("the folder can be listed"));
    let paths = files.map(|file| file.expect("the folder can be listed").path());
    let mut books: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ext| ext == "md")).collect();
    books.sort();
    books
}

/// The text, and the blocks between fences, each with the words after its fence.
fn parts(book: &Path) -> (String, Vec<(String, String)>) {
    let (mut text, mut blocks, mut open) = (String::new(), Vec::new(), None::<(String, String)>);
    for line in fs::read_to_string(book).expect("a book is text").lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => open = Some((info.to_owned(), String::new())),
            (None, Some((_, block))) => *block += &format!("{line}\n"),
            (None, None) => text += &format!("{line}\n"),
        }
    }
    (text, blocks)
}

/// The addresses behind `](`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link)
}

/// The anchors of the headings, as GitHub makes them.
fn anchors(book: &Path) -> Vec<String> {
    let (text, _) = parts(book);
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let letters = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(letters).collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    let mut broken = Vec::new();
    for book in books() {
        let (text, _) = parts(&book);
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { book.clone() } else { book.with_file_name("").join(path) };
            if !target.exists() || !anchor.is_empty() && !anchors(&target).iter().any(|found| found == anchor) {
                broken.push(format!("{}: {link}", book.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

/// What the comments of a block promise, in pieces.
fn promised(block: &str) -> Vec<&str> {
    let comments = block.lines().filter_map(|line| line.strip_prefix("# "));
    comments.flat_map(|line| line.split('…')).map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

#[test]
fn marked_blocks_work_as_printed() {
    let mut ran = 0;
    for (number, book) in books().iter().enumerate() {
        let (_, blocks) = parts(book);
        let marked: Vec<_> = blocks.iter().filter(|(info, _)| info == "sh run").collect();
        if marked.is_empty() {
            continue;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("books-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("the folder can be made");
        let service = Service::start(&folder);
        for (_, block) in marked {
            let block = block.replace(PRINTED, &service.address);
            let output = Command::new("bash").args(["-euo", "pipefail", "-c", &block]).output().expect("bash starts");
            assert!(output.status.success(), "{}: {block}\n{output:?}", book.display());
            let out = String::from_utf8(output.stdout).expect("the output is text");
            let mut rest = out.as_str();
            for piece in promised(&block) {
                let Some((_, after)) = rest.split_once(piece) else {
                    panic!("{}: no {piece} in {out}", book.display())
                };
                rest = after;
            }
            ran += 1;
        }
        drop(service);
        fs::remove_dir_all(&folder).expect("the folder can be removed");
    }
    assert!(ran > 0, "no block is marked");
}
