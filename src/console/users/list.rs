//! The list of users, and the form for a new one.

use askama::Template;
use axum::{
    extract::RawQuery,
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
};
use serde_json::json;

use super::Person;
use crate::console::{
    fault::Fault,
    format::When,
    frame::{Frame, Section, show, show_as},
    posted::{Posted, address},
    visit::Visit,
};

/// Users of a page.
const PER_PAGE: &str = "50";

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage<'a> {
    frame: Frame,
    users: Vec<(Person, When)>,
    next: Option<String>,
    form: &'a Posted,
    fault: Fault,
}

/// The list.
pub(in crate::console) async fn page(visit: Visit, RawQuery(query): RawQuery) -> Result<Response, Fault> {
    let query = Posted::parse(query.unwrap_or_default().as_bytes());
    show(&of(&visit, query.text("cursor"), &Posted::default(), Fault::default()).await?)
}

async fn of<'a>(visit: &Visit, cursor: &str, form: &'a Posted, fault: Fault) -> Result<UsersPage<'a>, Fault> {
    let path = address("/users", &[("per_page", PER_PAGE), ("cursor", cursor)]);
    let answer = visit.ask(Method::GET, &path, None).await?;
    let users: Vec<Person> = answer.read()?;
    let users = users.into_iter().map(|user| {
        let when = When::new(user.created_at, visit.now());
        (user, when)
    });
    let next = answer.next_cursor().map(|cursor| address("/console/users", &[("cursor", &cursor)]));
    Ok(UsersPage { frame: Frame::new(visit, Section::Users), users: users.collect(), next, form, fault })
}

/// Creates a user; shows the form again if something is refused.
pub(in crate::console) async fn create(visit: Visit, form: Posted) -> Result<Response, Fault> {
    let user = json!({ "username": form.text("username").trim(), "email": form.text("email").trim() });
    match visit.ask(Method::POST, "/users", Some(&user)).await {
        Ok(answer) => {
            let user: Person = answer.read()?;
            Ok(Redirect::to(&format!("/console/users/{}", user.id)).into_response())
        }
        Err(fault) if fault.is_of_form() => {
            let status = fault.status();
            show_as(status, &of(&visit, "", &form, fault).await?)
        }
        Err(fault) => Err(fault),
    }
}
