//! The service as a client uses it: users, links, and what following a link shows.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

/// A client that follows no redirect and keeps one connection open.
pub(crate) fn client(limit: Duration) -> Client {
    let builder = buoy::outbound::client().pool_max_idle_per_host(1).timeout(limit);
    builder.build().expect("the client needs nothing that can fail")
}

/// A link under test.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) id: i64,
    pub(crate) code: String,
    pub(crate) target: String,
}

/// The service at one address: Nginx, or a replica.
#[derive(Clone)]
pub(crate) struct Api {
    base: String,
    client: Client,
}

impl Api {
    pub(crate) fn at(base: impl Into<String>) -> Self {
        Self { base: base.into(), client: client(Duration::from_secs(10)) }
    }

    /// Sends a request as it is, failures included.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Response> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(&body);
        }
        Ok(request.send().await?)
    }

    /// Creates a user of a name that no other run uses.
    pub(crate) async fn user(&self) -> Result<i64> {
        let name = unique("user");
        let body = json!({"username": name, "email": format!("{name}@example.com")});
        let answer = self.send(Method::POST, "/users", Some(body)).await?;
        id_of(&expect(answer, 201).await?)
    }

    /// Creates a link.
    pub(crate) async fn link(&self, user: i64) -> Result<Link> {
        let target = format!("https://example.com/{}", unique("page"));
        let answer = self.send(Method::POST, "/urls", Some(link_body(user, &target))).await?;
        let body = expect(answer, 201).await?;
        let code = body["short_code"].as_str().context("a link has a short_code")?.to_owned();
        Ok(Link { id: id_of(&body)?, code, target })
    }

    /// Creates many links.
    pub(crate) async fn links(&self, user: i64, count: usize) -> Result<Vec<Link>> {
        stream::iter(0..count).map(|_| self.link(user)).buffered(8).try_collect().await
    }

    /// Posts a link under an Idempotency-Key; answers the status and the link's id if there is one.
    pub(crate) async fn link_once(&self, user: i64, key: &str, target: &str) -> Result<(u16, Option<i64>)> {
        let request = self.client.post(format!("{}/urls", self.base)).header("Idempotency-Key", key);
        let answer = request.json(&link_body(user, target)).send().await?;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap_or_default();
        Ok((status, body["id"].as_i64()))
    }

    /// The target of a code now; none on 404.
    pub(crate) async fn follow(&self, code: &str) -> Result<Option<String>> {
        let answer = self.send(Method::GET, &format!("/{code}"), None).await?;
        let status = answer.status().as_u16();
        ensure!(status == 302 || status == 404, "following {code} was answered with {status}");
        let location = answer.headers().get("location").and_then(|location| location.to_str().ok());
        ensure!((status == 302) == location.is_some(), "Location comes with 302 alone");
        Ok(location.map(str::to_owned))
    }

    /// Follows each link once, so that the answers are in this address's cache.
    pub(crate) async fn warm(&self, links: &[Link]) -> Result<()> {
        for link in links {
            let found = self.follow(&link.code).await?;
            ensure!(found.as_deref() == Some(link.target.as_str()), "{} leads to {found:?}", link.code);
        }
        Ok(())
    }
}

/// The body of a POST that creates a link.
pub(crate) fn link_body(user: i64, target: &str) -> Value {
    json!({"user_id": user, "original_url": target})
}

/// A word that was not used before.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    #[expect(clippy::disallowed_methods, reason = "tells runs apart; nothing is tested against it")]
    let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{prefix}-{run:x}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn expect(answer: Response, status: u16) -> Result<Value> {
    let found = answer.status().as_u16();
    let body = answer.text().await?;
    ensure!(found == status, "expected {status}, was answered with {found}: {body}");
    Ok(serde_json::from_str(&body)?)
}

fn id_of(body: &Value) -> Result<i64> {
    body["id"].as_i64().context("a row has an id")
}
