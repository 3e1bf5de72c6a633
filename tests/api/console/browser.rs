//! What a browser does: it keeps cookies, says where a form comes from, and prefers HTML.

use std::{collections::BTreeMap, sync::Mutex};

use reqwest::{Method, RequestBuilder};

use crate::app::{Answer, TestApp, send};

/// A browser of one person.
#[derive(Debug)]
pub(super) struct Browser<'a> {
    app: &'a TestApp,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    pub(super) fn new(app: &'a TestApp) -> Self {
        Self { app, cookies: Mutex::default() }
    }

    /// A browser of someone who signed in with this token or key.
    pub(super) async fn signed_in(app: &'a TestApp, token: &str) -> Self {
        let browser = Self::new(app);
        let answer = browser.post("/console/session", &[("token", token)]).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        browser
    }

    /// A request with the browser's cookies.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies = self.cookies.lock().expect("no test panicked");
        let line: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.app.request(method, path).header("accept", "text/html,*/*;q=0.8");
        if line.is_empty() { request } else { request.header("cookie", line.join("; ")) }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends a form of the console.
    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(form(self.request(Method::POST, path), fields).header("sec-fetch-site", "same-origin")).await
    }

    /// Follows the redirect of an answer.
    pub(super) async fn follow(&self, answer: &Answer) -> Answer {
        assert_eq!(answer.status, 303, "{answer:?}");
        self.get(answer.header("location").expect("a redirect leads somewhere")).await
    }

    /// Sends a request, and keeps the cookies of its answer.
    pub(super) async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = send(request).await;
        let mut cookies = self.cookies.lock().expect("no test panicked");
        for cookie in answer.headers.get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            match value {
                "" => cookies.remove(name),
                value => cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }
}

/// A form as the body of a request.
pub(super) fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// The value of a hidden field of a page.
pub(super) fn hidden<'p>(page: &'p str, name: &str) -> &'p str {
    let field = page.split(&format!("name=\"{name}\" value=\"")).nth(1).expect("the field is there");
    field.split('"').next().unwrap()
}
