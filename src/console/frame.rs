//! What stands around every page: the navigation, who is signed in, and the person's preferences.

use askama::Template;
use axum::{
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse, Response},
};

use super::{assets, fault::Fault, session::cookie, visit::Visit};
use crate::domain::{Caller, Scope};

/// The cookies that keep preferences; they say nothing of the person.
pub(super) const THEME: &str = "buoy-theme";
pub(super) const SHORTCUTS: &str = "buoy-keys";

/// The parts of the console that the navigation leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Links,
    Statistics,
    Users,
    Import,
    Fleet,
    None,
}

/// How a person wants their pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Preferences {
    /// `dark` or `light`; empty if the browser decides.
    pub(super) theme: &'static str,
    /// Whether keys do something.
    pub(super) shortcuts: bool,
}

impl Preferences {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let theme = match cookie(headers, THEME).as_deref() {
            Some("dark") => "dark",
            Some("light") => "light",
            _ => "",
        };
        Self { theme, shortcuts: cookie(headers, SHORTCUTS).as_deref() != Some("off") }
    }
}

/// What stands around a page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    section: Section,
    caller: Caller,
    pub(super) preferences: Preferences,
    /// The path and query of the page.
    pub(super) here: String,
}

impl Frame {
    pub(super) fn new(visit: &Visit, section: Section) -> Self {
        let here = visit.here.clone();
        Self { section, caller: visit.caller, preferences: visit.preferences, here }
    }

    /// The address of a file.
    pub(super) fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    /// What marks the link to this page.
    pub(super) fn current(&self, section: Section) -> &'static str {
        if self.section == section { "page" } else { "false" }
    }

    /// Who is signed in.
    pub(super) fn who(&self) -> String {
        match self.caller {
            Caller::Open => "Open access".to_owned(),
            Caller::Admin => "Administrator".to_owned(),
            Caller::Key(holder) => format!("Key {} of user {}", holder.id, holder.user_id),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.caller == Caller::Open
    }

    pub(super) fn may_write(&self) -> bool {
        self.caller.may(Scope::LinksWrite)
    }

    pub(super) fn may_see_statistics(&self) -> bool {
        self.caller.may(Scope::StatsRead)
    }

    pub(super) fn is_admin(&self) -> bool {
        self.caller.may(Scope::Admin)
    }
}

/// A page as an answer.
pub(super) fn show(page: &impl Template) -> Result<Response, Fault> {
    Ok(Html(page.render()?).into_response())
}

/// A page with another status than 200.
pub(super) fn show_as(status: StatusCode, page: &impl Template) -> Result<Response, Fault> {
    Ok((status, Html(page.render()?)).into_response())
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultPage<'a> {
    frame: &'a Frame,
    fault: &'a Fault,
}

#[derive(Template)]
#[template(path = "fault_bare.html")]
struct BareFaultPage<'a> {
    fault: &'a Fault,
    style: String,
    theme: &'static str,
}

/// What went wrong, as a page with its status.
pub(super) fn show_fault(fault: &Fault, frame: Option<&Frame>) -> Response {
    let page = match frame {
        Some(frame) => FaultPage { frame, fault }.render(),
        None => BareFaultPage { fault, style: assets::address("console.css"), theme: "" }.render(),
    };
    match page {
        Ok(page) => (fault.status(), Html(page)).into_response(),
        Err(error) => Fault::from(error).status().into_response(),
    }
}
