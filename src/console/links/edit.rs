//! The form that changes a link. A change of another person is shown beside one's own, not overwritten.

use askama::Template;
use axum::{
    extract::Path,
    http::{Method, StatusCode},
    response::Response,
};
use serde_json::Value;

use super::{
    super::{
        fault::Fault,
        flash::Flash,
        frame::{Frame, Section, show, show_as},
        posted::{Posted, given},
        visit::Visit,
    },
    Link,
};

#[derive(Template)]
#[template(path = "edit.html")]
struct EditPage {
    frame: Frame,
    link: Link,
    /// What the form holds: the link's fields, or what the person made of them.
    target: String,
    title: String,
    is_active: bool,
    reason: String,
    fault: Fault,
    /// Whether the link changed since the person opened the form.
    is_conflict: bool,
}

impl EditPage {
    fn of(visit: &Visit, link: Link) -> Self {
        Self {
            frame: Frame::new(visit, Section::Links),
            target: link.original_url.clone(),
            title: link.title().to_owned(),
            is_active: link.is_active,
            reason: link.reason().to_owned(),
            link,
            fault: Fault::default(),
            is_conflict: false,
        }
    }

    /// The form as it was sent, with what is wrong with it.
    fn again(visit: &Visit, link: Link, form: &Posted, fault: Fault, is_conflict: bool) -> Self {
        Self {
            target: form.text("original_url").to_owned(),
            title: form.text("title").to_owned(),
            is_active: form.has("is_active"),
            reason: form.text("disabled_reason").to_owned(),
            fault,
            is_conflict,
            ..Self::of(visit, link)
        }
    }

    /// What tells this state of the link from others.
    fn version(&self) -> String {
        version(&self.link)
    }
}

fn version(link: &Link) -> String {
    link.updated_at.timestamp_micros().to_string()
}

/// The form.
pub(in crate::console) async fn page(visit: Visit, Path(id): Path<String>) -> Result<Response, Fault> {
    show(&EditPage::of(&visit, read(&visit, &id).await?))
}

/// Reads the link of a path.
pub(super) async fn read(visit: &Visit, id: &str) -> Result<Link, Fault> {
    let id: i64 = id.parse().map_err(|_| Fault::not_found())?;
    visit.read(&format!("/urls/{id}?include=clicks")).await
}

/// Changes the link, unless it changed since the form was made; shows the form again if something is refused.
pub(in crate::console) async fn change(visit: Visit, Path(id): Path<String>, form: Posted) -> Result<Response, Fault> {
    let link = read(&visit, &id).await?;
    if version(&link) != form.text("version") {
        let page = EditPage::again(&visit, link, &form, Fault::default(), true);
        return show_as(StatusCode::CONFLICT, &page);
    }
    match visit.ask(Method::PATCH, &super::path(link.id), Some(&changes(&visit, &link, &form))).await {
        Ok(_) => {
            let flash = Flash::new("save", vec![link.id], 0).ok_or_else(Fault::not_found)?;
            Ok(flash.redirect(&format!("/console/links/{}", link.id)))
        }
        Err(fault) if fault.is_of_form() => {
            let status = fault.status();
            show_as(status, &EditPage::again(&visit, link, &form, fault, false))
        }
        Err(fault) => Err(fault),
    }
}

/// The fields that the person changed.
fn changes(visit: &Visit, link: &Link, form: &Posted) -> Value {
    let mut changes =
        given([("original_url", form.text("original_url").trim().into()), ("is_active", form.has("is_active").into())]);
    changes["title"] = form.nullable("title");
    let may_disable = visit.may(crate::domain::Scope::Admin);
    if may_disable && form.text("disabled_reason").trim() != link.reason() {
        changes["disabled_reason"] = form.nullable("disabled_reason");
    }
    changes
}
