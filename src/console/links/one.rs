//! One link: how often it was followed, and what became of it.

use askama::Template;
use axum::{
    extract::{Path, RawQuery},
    response::Response,
};

use super::{
    super::{
        fault::Fault,
        flash::{self, Flash},
        format::{When, number},
        frame::{Frame, Section, show},
        posted::Posted,
        statistics::Shown,
        visit::Visit,
    },
    Link,
    edit::read,
    history::{Entry, history},
};
use crate::domain::Scope;

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    frame: Frame,
    link: Link,
    clicks: String,
    created: When,
    /// None if the person may not see statistics.
    stats: Option<Shown>,
    history: Vec<Entry>,
    is_new: bool,
    flash: Option<Flash>,
}

/// The page.
pub(in crate::console) async fn page(
    visit: Visit,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Fault> {
    let query = Posted::parse(query.unwrap_or_default().as_bytes());
    let link = read(&visit, &id).await?;
    let stats = match visit.may(Scope::StatsRead) {
        true => Some(Shown::of(&visit, &format!("/urls/{}/stats", link.id), &query).await?),
        false => None,
    };
    let history = history(&visit, link.id).await?;
    let (frame, flash) = (Frame::new(&visit, Section::Links), visit.flash.clone());
    let shown = flash.is_some();
    let (clicks, created) = (number(link.clicks), When::new(link.created_at, visit.now()));
    let is_new = query.has("created");
    let page = show(&LinkPage { frame, link, clicks, created, stats, history, is_new, flash })?;
    Ok(if shown { flash::cleared(page) } else { page })
}
