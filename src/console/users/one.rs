//! One user: the name and address, the keys, and the end.

use askama::Template;
use axum::{
    extract::Path,
    http::{Method, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
};
use serde_json::json;

use super::{
    Person,
    keys::{Key, MadeKey},
};
use crate::console::{
    fault::Fault,
    frame::{Frame, Section, show, show_as},
    posted::Posted,
    visit::Visit,
};

#[derive(Template)]
#[template(path = "user.html")]
pub(super) struct UserPage {
    pub(super) frame: Frame,
    pub(super) user: Person,
    pub(super) keys: Vec<Key>,
    /// A key that was just made: this page alone shows it.
    pub(super) made: Option<MadeKey>,
    pub(super) fault: Fault,
}

impl UserPage {
    pub(super) async fn of(visit: &Visit, id: i64) -> Result<Self, Fault> {
        let user: Person = visit.read(&format!("/users/{id}")).await?;
        let keys = Key::of(visit, id).await?;
        let frame = Frame::new(visit, Section::Users);
        Ok(Self { frame, user, keys, made: None, fault: Fault::default() })
    }

    /// The page with what is wrong with a form of it.
    pub(super) async fn again(visit: &Visit, id: i64, fault: Fault) -> Result<Response, Fault> {
        if !fault.is_of_form() {
            return Err(fault);
        }
        let status = fault.status();
        show_as(status, &Self { fault, ..Self::of(visit, id).await? })
    }
}

/// The number in a path.
pub(super) fn number(id: &str) -> Result<i64, Fault> {
    id.parse().map_err(|_| Fault::not_found())
}

/// The page.
pub(in crate::console) async fn page(visit: Visit, Path(id): Path<String>) -> Result<Response, Fault> {
    show(&UserPage::of(&visit, number(&id)?).await?)
}

/// Changes the name and address.
pub(in crate::console) async fn change(visit: Visit, Path(id): Path<String>, form: Posted) -> Result<Response, Fault> {
    let id = number(&id)?;
    let user = json!({ "username": form.text("username").trim(), "email": form.text("email").trim() });
    match visit.ask(Method::PATCH, &format!("/users/{id}"), Some(&user)).await {
        Ok(_) => Ok(Redirect::to(&format!("/console/users/{id}")).into_response()),
        Err(fault) => UserPage::again(&visit, id, fault).await,
    }
}

/// Deletes the user with all links, if the name was typed.
pub(in crate::console) async fn delete(visit: Visit, Path(id): Path<String>, form: Posted) -> Result<Response, Fault> {
    let id = number(&id)?;
    let user: Person = visit.read(&format!("/users/{id}")).await?;
    if form.text("name").trim() != user.username {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let mut fault = Fault::new(status, "not_confirmed", "This is not the user's name: nothing was deleted");
        fault.errors.insert("name".to_owned(), "is not the user's name".to_owned());
        return UserPage::again(&visit, id, fault).await;
    }
    visit.ask(Method::DELETE, &format!("/users/{id}"), None).await?;
    Ok(Redirect::to("/console/users").into_response())
}
