//! The statistics of all links that the person may see.

use askama::Template;
use axum::{extract::RawQuery, response::Response};

use super::Shown;
use crate::console::{
    fault::Fault,
    frame::{Frame, Section, show},
    posted::Posted,
    visit::Visit,
};

#[derive(Template)]
#[template(path = "statistics.html")]
struct StatisticsPage {
    frame: Frame,
    stats: Shown,
}

/// The page.
pub(in crate::console) async fn page(visit: Visit, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    let query = Posted::parse(query.unwrap_or_default().as_bytes());
    let stats = Shown::of(&visit, "/stats", &query).await?;
    show(&StatisticsPage { frame: Frame::new(&visit, Section::Statistics), stats })
}
