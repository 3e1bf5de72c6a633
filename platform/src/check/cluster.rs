//! The database's size, which a spec does not hold: a development database has one size, and a cluster is made by the
//! command that stands in a comment, `# doctl databases create NAME --size …`. The command and the spec must agree.

use super::Subject;
use crate::{
    document::Fault,
    sizes::{self, DatabaseSize},
    spec::Database,
};

const COMMAND: &str = "doctl databases create ";

/// The database behind a spec.
#[derive(Debug, Clone, Copy)]
pub struct Cluster {
    /// The size of a node.
    pub size: DatabaseSize,
    /// Nodes. Standby nodes add no connections.
    pub nodes: u32,
}

/// The command that makes a cluster, as a comment has it.
struct Command<'a> {
    line: usize,
    name: &'a str,
    words: Vec<&'a str>,
}

/// Finds out the database's size; none if that is not possible, which is a fault.
pub(super) fn check(subject: &Subject<'_>, faults: &mut Vec<Fault>) -> Option<Cluster> {
    let [database] = &subject.app.databases[..] else {
        faults
            .push(subject.fault("/databases", format!("expected one database, found {}", subject.app.databases.len())));
        return None;
    };
    if !database.production {
        return Some(Cluster { size: sizes::DEVELOPMENT, nodes: 1 });
    }
    let cluster = database.cluster_name.as_deref().unwrap_or_default();
    let Some(command) = commands(&subject.document.text).into_iter().find(|command| command.name == cluster) else {
        let problem =
            format!("expected a comment `# {COMMAND}{cluster} --size …`: it decides how many connections there are");
        faults.push(subject.fault("/databases/0/cluster_name", problem));
        return None;
    };
    compare(subject, database, &command, faults);
    let slug = command.value("--size").unwrap_or_default();
    let Some(size) = sizes::database(slug) else {
        faults.push(command.fault(subject, format!("{slug:?} is not among the known sizes of databases: {}", known())));
        return None;
    };
    let nodes = command.value("--num-nodes").and_then(|nodes| nodes.parse().ok()).unwrap_or(1);
    Some(Cluster { size: *size, nodes })
}

fn compare(subject: &Subject<'_>, database: &Database, command: &Command<'_>, faults: &mut Vec<Fault>) {
    let mut differs = |flag: &str, found: Option<&str>, expected: String| {
        let problem = format!("{flag} is {}, and the spec has {expected}", found.unwrap_or("not given"));
        faults.push(command.fault(subject, problem));
    };
    let engine = command.value("--engine");
    if engine != Some("pg") {
        differs("--engine", engine, "pg".to_owned());
    }
    let version = command.value("--version");
    if version != database.version.as_deref() {
        differs("--version", version, format!("{:?}", database.version));
    }
    // The app's region has no number, and a cluster's does: fra and fra1.
    let region = command.value("--region");
    let same =
        |region: &str| Some(region.trim_end_matches(|c: char| c.is_ascii_digit())) == subject.app.region.as_deref();
    if !region.is_some_and(same) {
        differs("--region", region, format!("{:?}", subject.app.region));
    }
}

impl<'a> Command<'a> {
    fn value(&self, flag: &str) -> Option<&'a str> {
        let at = self.words.iter().position(|word| *word == flag)?;
        self.words.get(at + 1).copied()
    }

    fn fault(&self, subject: &Subject<'_>, problem: String) -> Fault {
        Fault { file: subject.document.name.clone(), line: self.line, problem }
    }
}

fn commands(text: &str) -> Vec<Command<'_>> {
    text.lines().enumerate().filter_map(|(at, line)| command(at + 1, line)).collect()
}

fn command(line: usize, text: &str) -> Option<Command<'_>> {
    let comment = text.trim_start().strip_prefix('#')?;
    let words: Vec<&str> = comment[comment.find(COMMAND)? + COMMAND.len()..].split_whitespace().collect();
    Some(Command { line, name: words.first()?, words })
}

fn known() -> String {
    sizes::DATABASE_SIZES.iter().map(|size| size.slug).collect::<Vec<_>>().join(", ")
}
