//! The form for a new link.

use askama::Template;
use axum::{
    extract::RawQuery,
    http::{Method, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
};
use serde_json::json;

use super::{
    super::{
        fault::Fault,
        frame::{Frame, Section, show, show_as},
        owners::{self, Owner},
        posted::{Posted, given},
        visit::Visit,
    },
    Link,
};
use crate::domain::Caller;

#[derive(Template)]
#[template(path = "create.html")]
struct CreatePage<'a> {
    frame: Frame,
    owners: Vec<Owner>,
    form: &'a Posted,
    fault: Fault,
}

impl CreatePage<'_> {
    /// Whether this user is the one who is chosen.
    fn is_chosen(&self, owner: &Owner) -> bool {
        owner.id.to_string() == self.form.text("user_id")
    }
}

/// The form, filled in as its address says: a bookmark can hold the target of the page it is clicked on.
pub(in crate::console) async fn page(visit: Visit, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    let form = Posted::parse(query.unwrap_or_default().as_bytes());
    show(&of(&visit, &form, Fault::default()).await?)
}

async fn of<'a>(visit: &Visit, form: &'a Posted, fault: Fault) -> Result<CreatePage<'a>, Fault> {
    let owners = owners::of(visit).await?;
    Ok(CreatePage { frame: Frame::new(visit, Section::Links), owners, form, fault })
}

/// Creates a link, and its owner first if there is no user yet; shows the form again if something is refused.
pub(in crate::console) async fn create(visit: Visit, form: Posted) -> Result<Response, Fault> {
    match try_to(&visit, &form).await {
        Ok(link) => Ok(Redirect::to(&format!("/console/links/{}?created=1", link.id)).into_response()),
        Err(fault) if fault.is_of_form() => {
            let status = fault.status();
            show_as(status, &of(&visit, &form, fault).await?)
        }
        Err(fault) => Err(fault),
    }
}

async fn try_to(visit: &Visit, form: &Posted) -> Result<Link, Fault> {
    let owner = match visit.caller {
        Caller::Key(holder) if visit.caller.owner().is_some() => holder.user_id.0.into(),
        _ if form.has("username") => {
            let user = json!({ "username": form.text("username").trim(), "email": form.text("email").trim() });
            let user: Owner = visit.ask(Method::POST, "/users", Some(&user)).await?.read()?;
            user.id.into()
        }
        _ => form.integer("user_id"),
    };
    if owner.is_null() {
        let fault = Fault::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", "Choose an owner");
        return Err(fault);
    }
    let link = given([
        ("user_id", owner),
        ("original_url", form.text("original_url").trim().into()),
        ("short_code", form.nullable("short_code")),
        ("title", form.nullable("title")),
    ]);
    visit.ask(Method::POST, "/urls", Some(&link)).await?.read()
}
