//! What Nginx bears: long heads in both directions, and bodies that never end.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    api::{Api, client, link_body, unique},
    docker::docker_status,
    stack::Stack,
};

/// Large bodies that Nginx takes of one client concurrently (`limit_conn` in nginx/nginx.conf).
const BODIES: usize = 20;
/// Bodies that are begun and never finished.
const UNFINISHED: usize = 150;

/// A target of the greatest length, each byte of which becomes three in `Location`, and more cookies than 8 KB.
pub(crate) async fn long_heads(stack: &Stack) -> Result<String> {
    stack.fleet().await?;
    let api = Api::at(stack.nginx());
    let target = format!("https://example.com/{}", "é".repeat(4_086));
    ensure!(target.len() == 8_192, "the target has {} bytes", target.len());
    let made = api.send(Method::POST, "/urls", Some(link_body(api.user().await?, &target))).await?;
    ensure!(made.status() == 201, "a target of 8,192 bytes is answered with {}", made.status());
    let code = made.json::<Value>().await?["short_code"].as_str().context("a link has a short_code")?.to_owned();
    let (client, address) = (client(Duration::from_secs(5)), format!("{}/{code}", stack.nginx()));
    let mut longest = 0;
    // More often than there are replicas: an answer that Nginx could not take would put each aside.
    for _ in 0..12 {
        let answer = client.get(&address).header("cookie", format!("id={}", "x".repeat(12_000))).send().await?;
        ensure!(answer.status() == 302, "a long target is answered with {}", answer.status());
        longest = answer.headers().get("location").map_or(0, |location| location.len());
    }
    ensure!(longest > 24_000, "Location has {longest} bytes");
    Ok(format!("Location of {longest} bytes, cookies of 12,000 bytes"))
}

/// Many bodies of nearly 1 MB that stop arriving: others are served, and no log line names a query.
pub(crate) async fn unfinished_bodies(stack: &Stack) -> Result<String> {
    stack.fleet().await?;
    let api = Api::at(stack.nginx());
    let user = api.user().await?;
    let link = api.link(user).await?;
    let marker = unique("query");
    let mut open = Vec::with_capacity(UNFINISHED);
    for _ in 0..UNFINISHED {
        let mut stream = TcpStream::connect(stack.nginx().trim_start_matches("http://")).await?;
        let head = format!(
            "POST /users?{marker} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: 1000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&[b' '; 900_000]).await?;
        open.push(stream);
    }
    let mut refused = 0;
    for stream in &mut open {
        let mut begin = [0; 12];
        // Bodies that Nginx took are awaited, so their clients hear nothing yet.
        if let Ok(read) = timeout(Duration::from_millis(200), stream.read_exact(&mut begin)).await {
            read?;
            ensure!(&begin == b"HTTP/1.1 503", "{:?}", String::from_utf8_lossy(&begin));
            refused += 1;
        }
    }
    ensure!(refused == UNFINISHED - BODIES, "{refused} of {UNFINISHED} unfinished bodies were refused");
    ensure!(api.follow(&link.code).await?.as_deref() == Some(&link.target), "a visitor is not redirected");
    let small = api.send(Method::PATCH, &format!("/urls/{}", link.id), Some(json!({"title": "small"}))).await?;
    ensure!(small.status() == 200, "a small body is answered with {}", small.status());
    let (_, log) = docker_status(&["logs", &stack.container("nginx").await?.id]).await?;
    ensure!(!log.contains(&marker), "the log of Nginx holds a query");
    Ok(format!("{refused} of {UNFINISHED} unfinished bodies refused; a visitor and a small body served"))
}
