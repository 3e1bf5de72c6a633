//! Changes of the links that are selected in the list.

use askama::Template;
use axum::{http::Method, response::Response};
use serde_json::json;

use super::super::{
    fault::Fault,
    flash::Flash,
    frame::{Frame, Section, show},
    posted::Posted,
    preferences::own_path,
    visit::Visit,
};

/// Links that are changed together at most: those of one page.
const MOST: usize = 50;

#[derive(Template)]
#[template(path = "delete_many.html")]
struct DeletePage<'a> {
    frame: Frame,
    ids: Vec<i64>,
    to: &'a str,
    is_wrong: bool,
}

/// Enables, disables or deletes links. Deletion cannot be undone, so it asks for their number first.
pub(in crate::console) async fn change(visit: Visit, form: Posted) -> Result<Response, Fault> {
    let (action, to) = (form.text("action"), own_path(form.text("to")));
    let ids = ids(&form, action);
    if action == "delete" && form.text("count").trim() != ids.len().to_string() && !ids.is_empty() {
        let is_wrong = form.has("count");
        return show(&DeletePage { frame: Frame::new(&visit, Section::Links), ids, to, is_wrong });
    }
    let (mut done, mut failed) = (Vec::new(), 0);
    for id in ids {
        let path = super::path(id);
        let answer = match action {
            "enable" => visit.ask(Method::PATCH, &path, Some(&json!({ "is_active": true }))).await,
            "disable" => visit.ask(Method::PATCH, &path, Some(&json!({ "is_active": false }))).await,
            "delete" => visit.ask(Method::DELETE, &path, None).await,
            _ => return Err(Fault::not_found()),
        };
        match answer {
            Ok(_) => done.push(id),
            // The links before it are changed: the page tells of both.
            Err(fault) if fault.status().is_client_error() => failed += 1,
            Err(fault) if done.is_empty() => return Err(fault),
            Err(_) => failed += 1,
        }
    }
    let flash = Flash::new(action, done, failed).ok_or_else(Fault::not_found)?;
    Ok(flash.redirect(to))
}

/// The links of a form, each perhaps with its state, `7.active`: those that are so already are left out, so that undo
/// changes none of them.
fn ids(form: &Posted, action: &str) -> Vec<i64> {
    let so_already = match action {
        "enable" => "active",
        "disable" => "inactive",
        _ => "",
    };
    let given = form.all("id").map(|id| id.split_once('.').unwrap_or((id, "none")));
    let others = given.filter(|(_, state)| *state != so_already);
    others.filter_map(|(id, _)| id.parse().ok()).take(MOST).collect()
}
