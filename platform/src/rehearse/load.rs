//! Visitors: a bounded load at a steady rate, whatever the answers are, in which every answer is remembered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::{
    sync::Semaphore,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a visitor waits.
const LIMIT: Duration = Duration::from_secs(10);
/// Requests under way at most.
const AT_ONCE: usize = 200;
/// Links that are followed.
const LINKS: usize = 50;
/// No run sends more.
const MOST: u64 = 200_000;
/// Of so many requests one is a POST, and one reads a link's row.
const CYCLE: u64 = 10;

/// The address of the requests, and their credential.
#[derive(Clone)]
pub(super) struct Visitor {
    base: String,
    credential: Option<String>,
    client: Client,
}

/// One answer, or none.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) began: Instant,
    pub(super) took: Duration,
    pub(super) is_get: bool,
    /// Why it was not what was asked for.
    pub(super) failure: Option<String>,
}

#[derive(Debug, Clone)]
struct Link {
    id: i64,
    code: String,
    target: String,
}

/// What was answered, and what is under way.
#[derive(Default)]
struct Book {
    answered: Vec<Sample>,
    under_way: HashMap<u64, Instant>,
}

/// The running load.
pub(super) struct Load {
    book: Arc<Mutex<Book>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Visitor {
    pub(super) fn new(base: String, credential: Option<String>) -> Result<Self> {
        let client = buoy::outbound::client().timeout(LIMIT).build()?;
        Ok(Self { base, credential, client })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.credential {
            Some(credential) => request.header("Authorization", credential),
            None => request,
        }
    }

    /// The JSON of a GET that succeeds.
    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.request(Method::GET, path).send().await?;
        let status = answer.status();
        ensure!(status == 200, "{path} was answered with {status}");
        Ok(answer.json().await?)
    }

    async fn create(&self, path: &str, body: Value) -> Result<Value> {
        let answer = self.request(Method::POST, path).json(&body).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        ensure!(status == 201, "POST {path} was answered with {status}: {}", body["detail"]);
        Ok(body)
    }

    async fn link(&self, user: i64, number: u64) -> Result<Link> {
        let target = format!("https://example.com/page/{number}");
        let body = self.create("/urls", json!({"user_id": user, "original_url": target})).await?;
        let id = body["id"].as_i64().context("a link has an id")?;
        let code = body["short_code"].as_str().context("a link has a short_code")?.to_owned();
        Ok(Link { id, code, target })
    }

    async fn follow(&self, link: &Link) -> Result<()> {
        let answer = self.request(Method::GET, &format!("/{}", link.code)).send().await?;
        let status = answer.status();
        let location = answer.headers().get("location").and_then(|location| location.to_str().ok());
        ensure!(
            status == 302 && location == Some(&link.target),
            "GET was answered with {status}, Location {location:?}"
        );
        Ok(())
    }

    async fn read(&self, link: &Link) -> Result<()> {
        let body = self.get(&format!("/urls/{}", link.id)).await?;
        ensure!(body["original_url"] == link.target.as_str(), "GET shows another link");
        Ok(())
    }
}

impl Load {
    /// Creates a user and links, and begins to send `rate` requests a second: eight of ten follow a link, one reads a
    /// link's row, one creates a link.
    pub(super) async fn start(visitor: Visitor, rate: u32) -> Result<Self> {
        let user = visitor.create("/users", json!({"username": "rehearsal", "email": "rehearsal@example.com"})).await?;
        let user = user["id"].as_i64().context("a user has an id")?;
        let mut links = Vec::new();
        for number in 0..LINKS {
            links.push(visitor.link(user, number as u64).await?);
        }
        let load = Self { book: Arc::default(), stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let sending = send(visitor, user, Arc::new(links), rate, Arc::clone(&load.book), load.tasks.clone());
        let stop = load.stop.clone();
        load.tasks.spawn(async move { stop.run_until_cancelled(sending).await });
        Ok(load)
    }

    /// What began between two moments, in full: those that are still under way are waited for.
    pub(super) async fn between(&self, from: Instant, to: Instant) -> Vec<Sample> {
        while locked(&self.book).under_way.values().any(|began| *began < to) {
            sleep(Duration::from_millis(20)).await;
        }
        let inside = |sample: &&Sample| sample.began >= from && sample.began < to;
        locked(&self.book).answered.iter().filter(inside).cloned().collect()
    }

    /// Stops it, and waits for the last answers.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn locked(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn send(
    visitor: Visitor,
    user: i64,
    links: Arc<Vec<Link>>,
    rate: u32,
    book: Arc<Mutex<Book>>,
    tasks: TaskTracker,
) {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for number in 0..MOST {
        ticks.tick().await;
        let Ok(permit) = Arc::clone(&at_once).acquire_owned().await else { return };
        let (visitor, links, book) = (visitor.clone(), Arc::clone(&links), Arc::clone(&book));
        let began = Instant::now();
        locked(&book).under_way.insert(number, began);
        tasks.spawn(async move {
            let link = &links[usize::try_from(number).unwrap_or_default() % links.len()];
            let result = match number % CYCLE {
                0 => visitor.link(user, number).await.map(drop),
                5 => visitor.read(link).await,
                _ => visitor.follow(link).await,
            };
            let failure = result.err().map(|error| format!("{error:#}"));
            let sample = Sample { began, took: began.elapsed(), is_get: number % CYCLE != 0, failure };
            let mut book = locked(&book);
            book.under_way.remove(&number);
            book.answered.push(sample);
            drop(permit);
        });
    }
}
