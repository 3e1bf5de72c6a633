//! Keeps the floors apart: reads the sources and fails on an import that goes up, a file that grew too long, a module
//! that does not say what it is. The floors are read from the map in `src/lib.rs`, so that there is one of them.
//!
//! Paths are found in the text, in code as well as in `use` lines. What a macro of another floor expands to is not
//! seen.

#[path = "architecture/floors.rs"]
mod floors;
#[path = "architecture/paths.rs"]
mod paths;

use std::{
    fs,
    path::{Path, PathBuf},
};

use floors::Floors;

/// A longer file is to be split.
const MAX_LINES: usize = 400;

struct Source {
    /// Relative to `src`.
    path: PathBuf,
    text: String,
}

impl Source {
    /// The module that the file holds: `["http", "error"]` for `http/error.rs`, nothing for the crate's root.
    fn module(&self) -> Vec<String> {
        let path = self.path.with_extension("");
        let mut names: Vec<String> = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        names.pop_if(|last| last == "mod" || last == "lib");
        names
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a source folder can be listed") {
            let path = entry.expect("a source folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is text");
                let path = path.strip_prefix(&root).expect("it lies below the root").to_owned();
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!sources.is_empty(), "no sources found");
    sources
}

fn map() -> Floors {
    Floors::read(include_str!("../src/lib.rs"))
}

/// The imports of one file that the map forbids, each as a line for a person.
fn violations(floors: &Floors, source: &Source) -> Vec<String> {
    let module = source.module();
    let Some(own) = module.first() else { return Vec::new() };
    paths::opened(&source.text, &module)
        .into_iter()
        .filter_map(|(line, opened)| {
            let reason = floors.refuses(own, &opened)?;
            Some(format!("src/{}:{line}: {own} opens {opened}: {reason}", source.path.display()))
        })
        .collect()
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn no_floor_imports_from_above() {
    let floors = map();
    let faults: Vec<String> = sources().iter().flat_map(|source| violations(&floors, source)).collect();
    assert_none(&faults);
}

#[test]
fn every_module_says_what_it_is() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//!"));
    let faults: Vec<String> =
        silent.map(|source| format!("src/{}:1: expected a `//!` header", source.path.display())).collect();
    assert_none(&faults);
}

#[test]
fn no_file_is_too_long() {
    let long = sources().into_iter().filter(|source| source.text.lines().count() > MAX_LINES);
    let faults: Vec<String> =
        long.map(|source| format!("src/{}: expected at most {MAX_LINES} lines", source.path.display())).collect();
    assert_none(&faults);
}

#[test]
fn a_planted_import_is_found() {
    let floors = map();
    let found = |path: &str, text: &str| {
        let source = Source { path: path.into(), text: text.into() };
        violations(&floors, &source).len()
    };
    for (path, text) in [
        ("domain/user.rs", "use crate::store::Store;"),
        ("store.rs", "fn f() { super::http::answer() }"),
        ("store/users.rs", "use super::super::state::AppState;"),
        ("cache.rs", "use crate::{domain::Url, clicks::Recorder};"),
        ("http/routes/urls.rs", "fn f(config: &crate::config::Config) {}"),
        ("store.rs", "mod tests { use super::super::cli; }"),
        ("store/users.rs", "use super::{Store, super::cache::Cache};"),
        ("clicks.rs", "use crate::*;"),
        ("state.rs", "use crate::helpers::Bag;"),
        ("helpers.rs", "use crate::domain::Url;"),
        ("config.rs", "use crate::cli;"),
    ] {
        assert_eq!(found(path, text), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("domain/user.rs", "use super::url::Url; use crate::domain::page::Page;"),
        (
            "store.rs",
            "// use crate::http;\n/* crate::cli */ const A: &str = \"crate::cli\"; mod tests { use super::*; }",
        ),
        ("http/error.rs", "use crate::{domain::{self, Url}, state::AppState, store};"),
        ("cli/serve.rs", "use crate::{config::Config, http, lifecycle::Lifecycle, telemetry};"),
        ("config.rs", "pub(crate) fn f(settings: &crate::lifecycle::ShutdownSettings) { let c = '\"'; }"),
    ] {
        assert_eq!(found(path, text), 0, "{path}: {text}");
    }
}
