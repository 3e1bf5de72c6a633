//! Deleting a link, which cannot be undone: the person types its code.

use askama::Template;
use axum::{extract::Path, http::Method, http::StatusCode, response::Response};

use super::{
    super::{
        fault::Fault,
        flash::Flash,
        frame::{Frame, Section, show, show_as},
        posted::Posted,
        visit::Visit,
    },
    Link,
    edit::read,
};

#[derive(Template)]
#[template(path = "delete.html")]
struct DeletePage {
    frame: Frame,
    link: Link,
    is_wrong: bool,
}

/// The form.
pub(in crate::console) async fn page(visit: Visit, Path(id): Path<String>) -> Result<Response, Fault> {
    let link = read(&visit, &id).await?;
    show(&DeletePage { frame: Frame::new(&visit, Section::Links), link, is_wrong: false })
}

/// Deletes the link if its code was typed.
pub(in crate::console) async fn delete(visit: Visit, Path(id): Path<String>, form: Posted) -> Result<Response, Fault> {
    let link = read(&visit, &id).await?;
    if form.text("code").trim() != link.short_code {
        let page = DeletePage { frame: Frame::new(&visit, Section::Links), link, is_wrong: true };
        return show_as(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    visit.ask(Method::DELETE, &super::path(link.id), None).await?;
    let flash = Flash::new("delete", vec![link.id], 0).ok_or_else(Fault::not_found)?;
    Ok(flash.redirect("/console"))
}
