//! `buoy events --follow`: prints the events of a running service as they happen, one JSON object a line.

use std::{collections::HashMap, io, time::Duration};

use anyhow::{Context as _, bail};
use reqwest::{Client, Response, StatusCode, header};
use tokio::time::{sleep, timeout};
use url::Url;

use crate::outbound;

const AFTER_HELP: &str = "\
BUOY_URL names the service [default: http://127.0.0.1:8080], BUOY_TOKEN holds the administrator's token or a key.
If the connection breaks, or the replica shuts down, it goes on after the last event that it printed.

Example:
  BUOY_URL=https://go.example.com BUOY_TOKEN=buoy_… buoy events --follow --type click
";

/// How long a stream may be silent: the service sends a comment every 15 seconds.
const SILENCE: Duration = Duration::from_secs(40);
/// Pause before the service is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// Bytes of a line at most: an event names two targets of 8 KiB, of which JSON may escape every byte.
const LINE_BYTES: usize = 256 * 1024;

/// Which events.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Print events as they happen, until interrupted
    #[arg(long, required = true)]
    follow: bool,
    /// Begin after the event with this id instead of now; 0 for every event there is
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(0..))]
    after: Option<i64>,
    /// Only those about this link
    #[arg(long, value_name = "ID")]
    url_id: Option<i64>,
    /// Only those by this user
    #[arg(long, value_name = "ID")]
    user_id: Option<i64>,
    /// Only those of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
}

/// Prints until interrupted.
///
/// # Errors
/// If BUOY_URL is no address, or the service refuses the request.
pub fn run(args: &Args, variables: &HashMap<String, String>) -> anyhow::Result<()> {
    let given = |name| variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let base: Url = given("BUOY_URL").unwrap_or("http://127.0.0.1:8080").parse().context("BUOY_URL is no address")?;
    if !matches!(base.scheme(), "http" | "https") {
        bail!("BUOY_URL is no http or https address");
    }
    let mut follower = Follower::new(args, base, given("BUOY_TOKEN").map(str::to_owned))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let result = runtime.block_on(follower.run(&mut io::stdout()));
    runtime.shutdown_timeout(super::LEAVE_BEHIND_AFTER);
    result
}

/// Follows the stream of a service.
#[derive(Debug)]
struct Follower {
    client: Client,
    address: Url,
    token: Option<String>,
    /// The last event that was printed.
    last: Option<String>,
}

/// What a stream sent so far of its next message.
#[derive(Debug, Default)]
struct Lines {
    /// What came of the next line.
    rest: Vec<u8>,
    id: Option<String>,
    event: String,
    data: String,
}

/// A message of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    id: Option<String>,
    event: String,
    data: String,
}

impl Follower {
    fn new(args: &Args, base: Url, token: Option<String>) -> anyhow::Result<Self> {
        let mut address = base;
        address.set_path(&format!("{}/events/stream", address.path().trim_end_matches('/')));
        let numbers = [("url_id", args.url_id), ("user_id", args.user_id)];
        let numbers = numbers.into_iter().filter_map(|(name, id)| Some((name, id?.to_string())));
        let filters = numbers.chain(args.event_type.clone().map(|event_type| ("event_type", event_type)));
        address.query_pairs_mut().extend_pairs(filters);
        let client = outbound::client().connect_timeout(SILENCE).read_timeout(SILENCE).build()?;
        Ok(Self { client, address, token, last: args.after.map(|after| after.to_string()) })
    }

    async fn run(&mut self, out: &mut impl io::Write) -> anyhow::Result<()> {
        loop {
            if let Some(response) = self.connect().await? {
                self.print(response, out).await?;
            }
            sleep(AGAIN).await;
        }
    }

    /// The service's answer; none if it is to be asked again.
    async fn connect(&self) -> anyhow::Result<Option<Response>> {
        let mut request = self.client.get(self.address.clone()).header(header::ACCEPT, "text/event-stream");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(last) = &self.last {
            request = request.header("last-event-id", last);
        }
        let Ok(Ok(response)) = timeout(SILENCE, request.send()).await else { return Ok(None) };
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(Some(response));
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Ok(None);
        }
        let problem: serde_json::Value = serde_json::from_str(&response.text().await?).unwrap_or_default();
        bail!("the service answered {status}: {}", problem["detail"].as_str().unwrap_or("no reason given"));
    }

    /// Prints what the service sends until it ends, for whatever reason.
    async fn print(&mut self, mut response: Response, out: &mut impl io::Write) -> anyhow::Result<()> {
        let mut lines = Lines::default();
        while let Ok(Some(piece)) = response.chunk().await {
            for message in lines.take(&piece)? {
                match message.event.as_str() {
                    "gap" => super::say(&format_args!("clicks are missing that were deleted: {}", message.data)),
                    "bye" => return Ok(()),
                    _ => writeln!(out, "{}", message.data)?,
                }
                self.last = message.id.or(self.last.take());
            }
            out.flush()?;
        }
        Ok(())
    }
}

impl Lines {
    /// The messages that `piece` completes.
    fn take(&mut self, piece: &[u8]) -> anyhow::Result<Vec<Message>> {
        let mut messages = Vec::new();
        for byte in piece {
            if *byte != b'\n' {
                if self.rest.len() == LINE_BYTES {
                    bail!("the service sends no events");
                }
                self.rest.push(*byte);
                continue;
            }
            let line = String::from_utf8_lossy(&self.rest).into_owned();
            self.rest.clear();
            messages.extend(self.line(&line));
        }
        Ok(messages)
    }

    /// The message that ends with this line.
    fn line(&mut self, line: &str) -> Option<Message> {
        match line.split_once(": ") {
            Some(("id", id)) => self.id = Some(id.to_owned()),
            Some(("event", event)) => event.clone_into(&mut self.event),
            Some(("data", data)) => data.clone_into(&mut self.data),
            _ if line.is_empty() && !self.data.is_empty() => {
                let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
                return Some(Message { id: self.id.take(), event, data });
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_however_they_are_cut() {
        let text = "retry: 1000\n\nid: 7\nevent: click\ndata: {\"a\": \"ü: x\"}\n\n: ping\n\nevent: bye\ndata: {}\n\n";
        let message = |id: Option<&str>, event: &str, data: &str| Message {
            id: id.map(str::to_owned),
            event: event.to_owned(),
            data: data.to_owned(),
        };
        let expected = [message(Some("7"), "click", "{\"a\": \"ü: x\"}"), message(None, "bye", "{}")];
        for size in [1, 3, 1_000] {
            let mut lines = Lines::default();
            let messages = text.as_bytes().chunks(size).flat_map(|piece| lines.take(piece).unwrap());
            assert_eq!(messages.collect::<Vec<_>>(), expected, "{size}");
        }
    }
}
