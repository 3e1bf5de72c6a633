//! Importing a CSV file, as the bulk routes of the API take it: all or nothing, with every fault by its line.

use askama::Template;
use axum::{
    extract::{Path, Request},
    http::Method,
    response::Response,
};
use serde::Deserialize;

use super::{
    fault::Fault,
    format::counted,
    frame::{Frame, Section, show, show_as},
    visit::Visit,
};

/// The kinds of files, with their columns.
const KINDS: [(&str, &str, &str); 3] = [
    ("users", "Users", "username,email"),
    ("urls", "Links", "user_id,original_url"),
    ("events", "Events", "url_id,event_type"),
];

#[derive(Debug, Deserialize)]
struct Imported {
    count: i64,
    created: i64,
}

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    frame: Frame,
    kinds: [(&'static str, &'static str, &'static str); 3],
    done: String,
    fault: Fault,
    /// Each bad row: its line, its field, what is wrong.
    faults: Vec<(String, String, String)>,
}

impl ImportPage {
    fn of(visit: &Visit) -> Self {
        let frame = Frame::new(visit, Section::Import);
        Self { frame, kinds: KINDS, done: String::new(), fault: Fault::default(), faults: Vec::new() }
    }
}

/// The form.
pub(super) async fn page(visit: Visit) -> Result<Response, Fault> {
    show(&ImportPage::of(&visit))
}

/// Hands the file to the API as it came.
pub(super) async fn import(visit: Visit, Path(kind): Path<String>, request: Request) -> Result<Response, Fault> {
    let kind = KINDS.iter().find(|known| known.0 == kind).ok_or_else(Fault::not_found)?;
    match visit.forward(Method::POST, &format!("/{}/bulk", kind.0), request).await {
        Ok(answer) => {
            let Imported { count, created } = answer.read()?;
            let found = counted(count - created, "row was", "rows were");
            let done = format!("{} taken in; {found} there already.", counted(created, "row", "rows"));
            show(&ImportPage { done, ..ImportPage::of(&visit) })
        }
        Err(fault) if fault.number == 422 || fault.number == 413 || fault.number == 400 => {
            let status = fault.status();
            let faults = rows(&fault);
            show_as(status, &ImportPage { fault, faults, ..ImportPage::of(&visit) })
        }
        Err(fault) => Err(fault),
    }
}

/// The bad rows in the order of their lines.
fn rows(fault: &Fault) -> Vec<(String, String, String)> {
    let line = |name: &str| name.strip_prefix("line ").and_then(|line| line.parse::<u64>().ok()).unwrap_or(0);
    let mut rows: Vec<_> = fault.errors.iter().collect();
    rows.sort_by_key(|(name, _)| line(name));
    let split = |(name, why): (&String, &String)| match why.split_once(": ") {
        Some((field, why)) => (name.clone(), field.to_owned(), why.to_owned()),
        None => (name.clone(), String::new(), why.clone()),
    };
    rows.into_iter().map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_in_the_order_of_their_lines() {
        let errors = [("line 10", "email: is taken"), ("line 9", "has too many cells")];
        let errors = errors.map(|(name, why)| (name.to_owned(), why.to_owned()));
        let fault = Fault { errors: errors.into(), ..Fault::default() };
        let shown = rows(&fault);
        assert_eq!(shown[0], ("line 9".to_owned(), String::new(), "has too many cells".to_owned()));
        assert_eq!(shown[1], ("line 10".to_owned(), "email".to_owned(), "is taken".to_owned()));
    }
}
