//! What the last change did, told once on the next page: a cookie of a minute that names the change and its links.

use axum::{
    http::{HeaderMap, header},
    response::{IntoResponse as _, Redirect, Response},
};
use cookie::{Cookie, SameSite, time::Duration};

use super::{
    format::counted,
    session::{cookie, header_value},
};

const NAME: &str = "buoy-done";
/// How long it waits for its page.
const SECONDS: i64 = 60;

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flash {
    what: &'static str,
    /// The links that it changed.
    pub(super) ids: Vec<i64>,
    /// How many of the links that were asked for could not be changed.
    pub(super) failed: i64,
}

/// The changes that a page tells of.
const KNOWN: [&str; 4] = ["enable", "disable", "delete", "save"];

impl Flash {
    pub(super) fn new(what: &str, ids: Vec<i64>, failed: i64) -> Option<Self> {
        let what = KNOWN.into_iter().find(|known| *known == what)?;
        Some(Self { what, ids, failed })
    }

    /// The one of a request.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = cookie(headers, NAME)?;
        let mut parts = text.split('.');
        let (what, failed, ids) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        let ids: Option<Vec<i64>> = ids.split('-').filter(|id| !id.is_empty()).map(|id| id.parse().ok()).collect();
        Self::new(what, ids?, failed)
    }

    /// What happened.
    pub(super) fn text(&self) -> String {
        let links = counted(i64::try_from(self.ids.len()).unwrap_or(i64::MAX), "link", "links");
        let done = match self.what {
            "enable" => "enabled",
            "disable" => "disabled",
            "delete" => "deleted",
            _ => "saved",
        };
        let mut text = format!("{links} {done}.");
        if self.failed > 0 {
            text += &format!(" {} could not be changed.", counted(self.failed, "link", "links"));
        }
        text
    }

    /// The change that takes this one back; empty if none does.
    pub(super) fn undo(&self) -> &'static str {
        match self.what {
            "enable" => "disable",
            "disable" => "enable",
            _ => "",
        }
    }

    /// Leads to a page that tells it.
    pub(super) fn redirect(&self, to: &str) -> Response {
        let ids: Vec<String> = self.ids.iter().map(ToString::to_string).collect();
        with_cookie(
            Redirect::to(to).into_response(),
            format!("{}.{}.{}", self.what, self.failed, ids.join("-")),
            SECONDS,
        )
    }
}

/// The page, after which the change is not told again.
pub(super) fn cleared(page: Response) -> Response {
    with_cookie(page, String::new(), 0)
}

fn with_cookie(mut response: Response, value: String, seconds: i64) -> Response {
    let cookie = Cookie::build((NAME, value)).path("/console").http_only(true).same_site(SameSite::Strict);
    if let Some(cookie) = header_value(&cookie.max_age(Duration::seconds(seconds)).build()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flash_survives_the_round_trip_and_nothing_else_does() {
        let flash = Flash::new("disable", vec![7, 12], 1).unwrap();
        let set = flash.redirect("/console").headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        let headers = |cookie: &str| HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())]);
        assert_eq!(Flash::of(&headers(set.split(';').next().unwrap())), Some(flash.clone()));
        assert_eq!(flash.text(), "2 links disabled. 1 link could not be changed.");
        for bad in ["buoy-done=<b>.0.1", "buoy-done=disable.0.x", "buoy-done=disable", "other=1"] {
            assert_eq!(Flash::of(&headers(bad)), None, "{bad}");
        }
    }
}
