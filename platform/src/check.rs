//! `check`: what the platform would refuse in a spec, and what it would accept to everybody's harm.
//!
//! The strict schema comes first. If it finds nothing, the rest is looked at: bindings, variables, ports, connections,
//! times and sizes, against the program itself, its Dockerfile and the database that the spec's comment makes.

mod bindings;
mod cluster;
mod connections;
mod ports;
mod times;
mod variables;

use std::path::{Path, PathBuf};

pub use self::{bindings::resolve, cluster::Cluster};
use crate::{
    document::{Document, Fault},
    schema, sizes,
    spec::{App, Component, base},
};

/// A spec under test.
pub(crate) struct Subject<'a> {
    document: &'a Document,
    base: &'static str,
    app: &'a App,
    /// The repository's root, which `dockerfile_path` starts from.
    root: &'a Path,
}

/// A spec that was found sound, in figures.
#[derive(Debug, Clone)]
pub struct Sound {
    /// The file.
    pub document: Document,
    /// The spec.
    pub app: App,
    /// The database's size.
    pub database: Cluster,
    /// Connections that a deployment takes at most.
    pub connections: u32,
}

/// The repository's root.
#[must_use]
pub fn repository() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// Checks a file.
///
/// # Errors
/// Every fault that was found, in the order of lines; if the file cannot be parsed, or the schema does not allow it,
/// what lies behind is not looked at.
pub fn file(path: &Path, root: &Path) -> Result<Sound, Vec<Fault>> {
    let document = Document::read(path).map_err(|fault| vec![fault])?;
    check(document, root)
}

/// Checks a document.
///
/// # Errors
/// As [`file()`].
pub fn check(document: Document, root: &Path) -> Result<Sound, Vec<Fault>> {
    let at_the_top = |problem: String| vec![document.fault("", problem)];
    let faults =
        schema::faults(&document).map_err(|error| at_the_top(format!("the schema cannot be used: {error}")))?;
    if !faults.is_empty() {
        return Err(faults);
    }
    let app = App::read(&document).map_err(|error| at_the_top(format!("is not understood: {error}")))?;
    let subject = Subject { document: &document, base: base(&document), app: &app, root };
    let mut faults = Vec::new();
    bindings::check(&subject, &mut faults);
    variables::check(&subject, &mut faults);
    ports::check(&subject, &mut faults);
    times::check(&subject, &mut faults);
    check_sizes(&subject, &mut faults);
    let database = cluster::check(&subject, &mut faults);
    let connections = database.as_ref().map(|database| connections::check(&subject, database, &mut faults));
    faults.sort();
    faults.dedup();
    match (database, connections) {
        (Some(database), Some(connections)) if faults.is_empty() => Ok(Sound { document, app, database, connections }),
        _ => Err(faults),
    }
}

impl Subject<'_> {
    fn fault(&self, pointer: &str, problem: impl Into<String>) -> Fault {
        self.document.fault(&format!("{}{pointer}", self.base), problem)
    }
}

/// Sizes: named, of today's names, and large enough to have several instances of.
fn check_sizes(subject: &Subject<'_>, faults: &mut Vec<Fault>) {
    for (pointer, component) in subject.app.components() {
        let at = format!("{pointer}/instance_size_slug");
        match component.instance_size_slug.as_deref() {
            None => faults.push(subject.fault(&pointer, "expected an instance_size_slug, which decides what it costs")),
            Some(slug) => match sizes::named(slug) {
                None => faults.push(subject.fault(&at, format!("{slug} is a legacy name: {}", sizes::known()))),
                Some(size) if size.single && component.most_instances() > 1 => faults.push(subject.fault(
                    &at,
                    format!("{slug} allows a single instance, and {} are asked for", component.most_instances()),
                )),
                Some(_) => {}
            },
        }
    }
}

impl Sound {
    /// Dollars a month at least and at most. Jobs are billed by the second and left out.
    #[must_use]
    pub fn cost(&self) -> (u32, u32) {
        let price = |component: &Component| {
            component.instance_size_slug.as_deref().and_then(sizes::named).map_or(0, |size| size.price)
        };
        let running = || self.app.services.iter().chain(&self.app.workers);
        let database = self.database.size.price * self.database.nodes;
        let least: u32 = running().map(|component| component.least_instances() * price(component)).sum();
        let most: u32 = running().map(|component| component.most_instances() * price(component)).sum();
        (database + least, database + most)
    }
}
