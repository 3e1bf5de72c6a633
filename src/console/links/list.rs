//! The list of links: filters, order and place are in its address, so that a view can be shared.

use askama::Template;
use axum::{extract::RawQuery, http::Method, response::Response};

use super::{
    super::{
        fault::Fault,
        flash::{self, Flash},
        frame::{Frame, Section, show},
        posted::{Posted, address},
        visit::Visit,
    },
    Link,
    row::{Row, rows},
};

/// Links of a page.
const PER_PAGE: &str = "50";

/// What a view of the list asks for, as its address has it.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    pub(super) state: String,
    pub(super) owner: String,
    pub(super) sort: String,
    cursor: String,
}

impl View {
    fn of(query: &Posted) -> Self {
        let text = |name: &str| query.text(name).trim().to_owned();
        Self { state: text("state"), owner: text("owner"), sort: text("sort"), cursor: text("cursor") }
    }

    /// The same view as the API has it.
    fn in_api(&self) -> String {
        let is_active = match self.state.as_str() {
            "active" => "true",
            "inactive" => "false",
            _ => "",
        };
        let sort = if self.sort.is_empty() { "-clicks" } else { &self.sort };
        let parameters = [
            ("per_page", PER_PAGE),
            ("include", "clicks"),
            ("sort", sort),
            ("is_active", is_active),
            ("user_id", &self.owner),
            ("cursor", &self.cursor),
        ];
        address("/urls", &parameters)
    }

    fn address(&self, cursor: &str) -> String {
        let parameters = [("state", &*self.state), ("owner", &self.owner), ("sort", &self.sort), ("cursor", cursor)];
        address("/console", &parameters)
    }

    /// The first page of this view.
    pub(super) fn first(&self) -> String {
        self.address("")
    }

    fn is_filtered(&self) -> bool {
        !self.state.is_empty() || !self.owner.is_empty()
    }
}

#[derive(Template)]
#[template(path = "links.html")]
struct LinksPage {
    frame: Frame,
    view: View,
    rows: Vec<Row>,
    next: Option<String>,
    flash: Option<Flash>,
}

impl LinksPage {
    /// The list of an instance without links, to which the person is welcomed.
    fn is_first_visit(&self) -> bool {
        self.rows.is_empty() && !self.view.is_filtered() && self.view.cursor.is_empty()
    }
}

/// The list.
pub(in crate::console) async fn page(visit: Visit, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    let view = View::of(&Posted::parse(query.unwrap_or_default().as_bytes()));
    let answer = visit.ask(Method::GET, &view.in_api(), None).await?;
    let links: Vec<Link> = answer.read()?;
    let next = answer.next_cursor().map(|cursor| view.address(&cursor));
    let rows = rows(&visit, links).await?;
    let flash = visit.flash.clone();
    let shown = flash.is_some();
    let page = LinksPage { frame: Frame::new(&visit, Section::Links), view, rows, next, flash };
    let response = show(&page)?;
    Ok(if shown { flash::cleared(response) } else { response })
}
