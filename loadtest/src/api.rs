//! The API of the deployment under test, as far as the load test speaks it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, redirect::Policy};
use serde::Deserialize;
use serde_json::{Value, json};

/// Programs that follow links are counted apart from people; this is to be taken for one of these.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// How often preparing asks again while the deployment is busy.
const ATTEMPTS: u32 = 5;

/// A client of the deployment.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    token: Option<String>,
    client: Client,
}

/// A link as the API answers it.
#[derive(Debug, Clone, Deserialize)]
pub struct ApiLink {
    /// Its id.
    pub id: i64,
    /// Its short code.
    pub short_code: String,
}

impl Api {
    /// A client that follows no redirect and gives up after `timeout`.
    ///
    /// # Errors
    /// The client cannot be built.
    pub fn new(base: &Url, token: Option<String>, timeout: Duration) -> anyhow::Result<Self> {
        let client = Client::builder()
            .redirect(Policy::none())
            .user_agent(BROWSER)
            .timeout(timeout)
            .pool_max_idle_per_host(usize::MAX)
            // Below the 65 s of the balancer, so that no request meets a connection that it is closing.
            .pool_idle_timeout(Duration::from_secs(30))
            .no_proxy()
            .build()?;
        Ok(Self { base: base.as_str().trim_end_matches('/').to_owned(), token, client })
    }

    /// A request as a visitor makes it: without the token.
    pub fn visit(&self, method: Method, code: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/{code}", self.base))
    }

    /// A request as the owner of the links makes it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Creates a user; answers its id.
    ///
    /// # Errors
    /// The deployment refuses.
    pub async fn create_user(&self, name: &str) -> anyhow::Result<i64> {
        let body = json!({ "username": name, "email": format!("{name}@example.com") });
        let response = self.insist(Method::POST, "/users", Some(&body), StatusCode::CREATED).await?;
        let user: Value = response.json().await?;
        user["id"].as_i64().context("the answer to POST /users has no id")
    }

    /// Creates a link.
    ///
    /// # Errors
    /// The deployment refuses.
    pub async fn create_link(&self, user_id: i64, target: &str) -> anyhow::Result<ApiLink> {
        let body = json!({ "user_id": user_id, "original_url": target });
        Ok(self.insist(Method::POST, "/urls", Some(&body), StatusCode::CREATED).await?.json().await?)
    }

    /// Makes a link inactive.
    ///
    /// # Errors
    /// The deployment refuses.
    pub async fn deactivate(&self, id: i64) -> anyhow::Result<()> {
        let body = json!({ "is_active": false });
        self.insist(Method::PATCH, &format!("/urls/{id}"), Some(&body), StatusCode::OK).await.map(drop)
    }

    /// Deletes what stands under this path.
    ///
    /// # Errors
    /// The deployment refuses.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.insist(Method::DELETE, path, None, StatusCode::NO_CONTENT).await.map(drop)
    }

    /// The clicks of a link, from the statistics; from the events if the deployment has no statistics.
    ///
    /// # Errors
    /// Neither answers.
    pub async fn clicks(&self, id: i64) -> anyhow::Result<u64> {
        let response = self.send(Method::GET, &format!("/urls/{id}/stats"), None).await?;
        if response.status() == StatusCode::OK {
            let stats: Value = response.json().await?;
            return stats["total"].as_u64().context("the statistics have no total");
        }
        self.count(&format!("/events?url_id={id}&event_type=click&page=1&per_page=1&count=true")).await
    }

    /// All clicks in the database, counted one by one.
    ///
    /// # Errors
    /// The deployment does not answer.
    pub async fn all_clicks(&self) -> anyhow::Result<u64> {
        self.count("/events?event_type=click&page=1&per_page=1&count=true").await
    }

    async fn count(&self, path: &str) -> anyhow::Result<u64> {
        let response = self.insist(Method::GET, path, None, StatusCode::OK).await?;
        let count = response.headers().get("x-total-count").context("the list has no X-Total-Count")?;
        Ok(count.to_str()?.parse()?)
    }

    /// Sends until the expected status is answered; tries again while the deployment says that it is busy.
    async fn insist(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        expected: StatusCode,
    ) -> anyhow::Result<Response> {
        let mut pause = Duration::from_millis(100);
        for attempt in 1.. {
            match self.send(method.clone(), path, body).await {
                Ok(response) if response.status() == expected => return Ok(response),
                Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE && attempt < ATTEMPTS => {}
                Ok(response) if response.status() == StatusCode::TOO_MANY_REQUESTS && attempt < ATTEMPTS => {}
                Ok(response) => {
                    let status = response.status();
                    let said = response.text().await.unwrap_or_default();
                    bail!("{method} {path} answered {status}: {said}");
                }
                // Trying a POST again after it was sent could make two of it.
                Err(error) if attempt >= ATTEMPTS || !error.is_connect() => return Err(error.into()),
                Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        bail!("{method} {path} was not answered")
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Result<Response> {
        let request = self.request(method, path);
        match body {
            Some(body) => request.json(body).send().await,
            None => request.send().await,
        }
    }
}
