//! Nginx itself.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    api::{Api, client},
    faults,
    scenarios::crash::mixed_load,
    stack::Stack,
};

/// Three reloads while clients keep their connections.
pub(crate) async fn reload(stack: &Stack) -> Result<String> {
    stack.fleet().await?;
    let nginx = stack.container("nginx").await?;
    let load = mixed_load(stack).await?;
    for _ in 0..3 {
        sleep(Duration::from_secs(1)).await;
        faults::signal(&nginx, "HUP").await?;
    }
    sleep(Duration::from_secs(2)).await;
    let samples = load.stop().await?;
    samples.all_good()?;
    Ok(format!("three reloads: {}", samples.figures()))
}

/// What Nginx refuses by itself looks like the program's own refusals.
pub(crate) async fn shapes(stack: &Stack) -> Result<String> {
    let replicas = stack.fleet().await?;
    let client = client(Duration::from_secs(10));
    let base = stack.nginx();
    let get = |path: String| client.get(format!("{base}{path}"));
    problem(get(format!("/{}", "a".repeat(20_000))).send().await?, 414).await?;
    problem(get("/abc".to_owned()).header("x-long", "a".repeat(20_000)).send().await?, 431).await?;
    let large = client.post(format!("{base}/users")).body(vec![b' '; 1_300_000]).send().await?;
    problem(large, 413).await?;
    problem(client.request(Method::TRACE, format!("{base}/users")).send().await?, 405).await?;
    for path in ["/metrics", "/metrics/", "/%6detrics", "//metrics", "/metrics?all"] {
        problem(get(path.to_owned()).send().await?, 404).await?;
    }
    let malformed = raw(stack, "GET / HTTP/9.x\r\n\r\n").await?;
    ensure!(malformed.contains("application/problem+json"), "a malformed request is answered with {malformed}");
    headers(&client, &base).await?;
    for replica in &replicas {
        faults::signal(replica, "KILL").await?;
    }
    let refused = unreachable(&client, &base).await;
    for replica in &replicas {
        faults::start(replica).await?;
    }
    refused?;
    Ok("400, 404, 405, 413, 414, 431, and 503 without a replica".to_owned())
}

/// The request id comes back, and the host that was asked makes the short link.
async fn headers(client: &Client, base: &str) -> Result<()> {
    let request = client.get(format!("{base}/health")).header("x-request-id", "fleet-test.1");
    let answer = request.send().await?;
    ensure!(answer.headers().get("x-request-id").is_some_and(|id| id == "fleet-test.1"), "the request id is lost");
    let answer = client.get(format!("{base}/health")).header("x-request-id", "no id\"").send().await?;
    let id = answer.headers().get("x-request-id").context("there is no request id")?;
    ensure!(id.len() == 32, "a request id that is none was answered with {id:?}");
    let link = Api::at(base).send(Method::GET, "/urls?per_page=1", None).await?;
    ensure!(link.status() == 200, "a page of links is answered with {}", link.status());
    Ok(())
}

/// GET and POST are refused with 503 and told to come back.
async fn unreachable(client: &Client, base: &str) -> Result<()> {
    for method in [Method::GET, Method::POST] {
        let answer = client.request(method, format!("{base}/users")).send().await?;
        ensure!(answer.headers().contains_key("retry-after"), "503 comes without Retry-After");
        problem(answer, 503).await?;
    }
    Ok(())
}

/// Checks that an answer has the contract's shape.
async fn problem(answer: Response, status: u16) -> Result<()> {
    let found = answer.status().as_u16();
    let content_type = answer.headers().get("content-type").cloned();
    let text = answer.text().await?;
    ensure!(found == status, "expected {status}, was answered with {found}: {text}");
    ensure!(content_type.is_some_and(|kind| kind == "application/problem+json"), "{status} is no problem+json: {text}");
    let body: Value = serde_json::from_str(&text).with_context(|| format!("{status} holds no JSON: {text}"))?;
    for key in ["type", "title", "status", "detail", "error", "code"] {
        ensure!(!body[key].is_null(), "{status} has no {key}: {text}");
    }
    ensure!(body["status"] == status, "{status} holds another status: {text}");
    Ok(())
}

/// Sends bytes and answers what comes back.
async fn raw(stack: &Stack, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(stack.nginx().trim_start_matches("http://")).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await??;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
