//! Help: what the keys do, and the switch that turns them off.

use askama::Template;
use axum::response::Response;

use super::{
    fault::Fault,
    frame::{Frame, Section, show},
    visit::Visit,
};

#[derive(Template)]
#[template(path = "help.html")]
struct HelpPage {
    frame: Frame,
}

/// The page.
pub(super) async fn page(visit: Visit) -> Result<Response, Fault> {
    show(&HelpPage { frame: Frame::new(&visit, Section::None) })
}
