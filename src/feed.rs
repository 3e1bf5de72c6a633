//! The live feed of a replica: one reader follows the ledger of events, and every stream listens to it.
//!
//! Promises: the database is asked only while there are listeners, however many there are; an event is told in the
//! order of ids and never before an earlier one that may still be committed; a listener that does not keep up costs no
//! memory beyond `CHUNKS`. Leaves out: what a listener may see, and what it missed before: chunks say which ids they
//! cover, so that it can read them from the ledger.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize as _;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{db::Store, domain::Event, fleet::Availability, stats::Watermark, store::LedgerEvent};

/// Listeners of a replica at most.
pub const MAX_STREAMS: usize = 100;
/// Chunks that wait for the slowest listener; it is cut off beyond.
const CHUNKS: usize = 128;
/// Bytes of a chunk that are exceeded by one event at most.
const CHUNK_BYTES: usize = 64 * 1024;
/// Events that are read at a time.
const PAGE: u32 = 500;
/// Between two looks at the ledger.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The same while events are there that a transaction keeps back.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long one look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// How long a listener waits for the reader's first look.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// Events in the order of ids: all that the ledger has beyond `after` and up to `until`.
#[derive(Debug)]
pub struct Chunk {
    /// The events before have ids up to this one.
    pub after: i64,
    /// The last id that is covered.
    pub until: i64,
    /// The events, each with the text that tells it to clients.
    pub events: Vec<(LedgerEvent, Bytes)>,
}

/// The feed, as listeners and metrics see it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    chunks: broadcast::Sender<Arc<Chunk>>,
    /// How far the reader has come; none while it rests.
    position: watch::Sender<Option<i64>>,
    seats: Arc<Semaphore>,
    wanted: Notify,
    cut_off: AtomicU64,
}

/// A listener's seat; the reader rests when the last is gone.
#[derive(Debug)]
pub struct Listener {
    chunks: broadcast::Receiver<Arc<Chunk>>,
    feed: Feed,
    _seat: OwnedSemaphorePermit,
}

impl Default for Feed {
    fn default() -> Self {
        Self(Arc::new(Inner {
            chunks: broadcast::Sender::new(CHUNKS),
            position: watch::Sender::new(None),
            seats: Arc::new(Semaphore::new(MAX_STREAMS)),
            wanted: Notify::new(),
            cut_off: AtomicU64::default(),
        }))
    }
}

impl Feed {
    /// Begins to listen; none if there are [`MAX_STREAMS`] listeners already.
    pub fn listen(&self) -> Option<Listener> {
        let seat = Arc::clone(&self.0.seats).try_acquire_owned().ok()?;
        let listener = Listener { chunks: self.0.chunks.subscribe(), feed: self.clone(), _seat: seat };
        self.0.wanted.notify_one();
        Some(listener)
    }

    /// Listeners now.
    pub fn listeners(&self) -> usize {
        MAX_STREAMS - self.0.seats.available_permits()
    }

    /// Listeners that were cut off so far because they did not keep up.
    pub fn cut_off(&self) -> u64 {
        self.0.cut_off.load(Ordering::Relaxed)
    }

    /// Reads while there are listeners, until `stop`.
    pub async fn run(self, store: Store, availability: Availability, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            loop {
                self.0.wanted.notified().await;
                let mut reader = Reader::default();
                while self.is_wanted() {
                    sleep(self.look(&mut reader, &store, &availability).await).await;
                }
            }
        })
        .await;
    }

    /// Whether there are listeners. A listener that comes in between either finds no position, and waits for the next
    /// reader's, or is counted after it was withdrawn, and this reader goes on.
    fn is_wanted(&self) -> bool {
        let count = || self.0.chunks.receiver_count();
        if count() == 0 {
            self.0.position.send_replace(None);
        }
        count() > 0
    }

    /// Tells what is new; answers when to look again. What fails is tried again: the reader's place stays.
    async fn look(&self, reader: &mut Reader, store: &Store, availability: &Availability) -> Duration {
        if availability.outage().is_some() {
            return LOOK_EVERY;
        }
        match timeout(LOOK_WITHIN, reader.read(store, self)).await {
            Ok(Ok(())) if reader.watermark.is_held_back() => LOOK_AGAIN,
            Ok(Ok(())) => LOOK_EVERY,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the live feed could not read events, trying again");
                LOOK_EVERY
            }
            Err(_) => LOOK_EVERY,
        }
    }
}

/// The reader's place in the ledger.
#[derive(Debug, Default)]
struct Reader {
    watermark: Watermark,
    position: Option<i64>,
}

impl Reader {
    async fn read(&mut self, store: &Store, feed: &Feed) -> crate::db::Result<()> {
        let Some(safe) = self.watermark.advance(store).await? else { return Ok(()) };
        // Listeners go on from here; what was before is in the ledger.
        let mut position = *self.position.get_or_insert(safe);
        while position < safe {
            let rows = store.events_between(position, safe, PAGE).await?;
            let until = if rows.len() < PAGE as usize { safe } else { rows.last().map_or(safe, |row| row.event.id.0) };
            for chunk in chunks(position, until, rows) {
                // Without listeners there is no one to tell.
                feed.0.chunks.send(Arc::new(chunk)).ok();
            }
            position = until;
            self.position = Some(position);
        }
        feed.0.position.send_if_modified(|known| known.replace(position) != Some(position));
        Ok(())
    }
}

/// The events in chunks of [`CHUNK_BYTES`], which together cover the ids beyond `after` and up to `until`.
fn chunks(mut after: i64, until: i64, rows: Vec<LedgerEvent>) -> Vec<Chunk> {
    let (mut chunks, mut events, mut bytes) = (Vec::new(), Vec::new(), 0);
    for row in rows {
        let (id, text) = (row.event.id.0, frame(&row.event));
        bytes += text.len();
        events.push((row, text));
        if bytes >= CHUNK_BYTES {
            chunks.push(Chunk { after, until: id, events: std::mem::take(&mut events) });
            (after, bytes) = (id, 0);
        }
    }
    chunks.push(Chunk { after, until, events });
    chunks
}

impl Listener {
    /// How far the reader has come; what follows comes in chunks. None if it cannot be known in time.
    pub async fn position(&self) -> Option<i64> {
        let mut position = self.feed.0.position.subscribe();
        let known = timeout(FIRST_LOOK, position.wait_for(Option::is_some)).await.ok()?.ok()?;
        *known
    }

    /// The next chunk. A listener that `may_miss` chunks reads the ledger to make up for them; others are cut off
    /// when they do not keep up: none.
    pub async fn next(&mut self, may_miss: bool) -> Option<Arc<Chunk>> {
        loop {
            match self.chunks.recv().await {
                Ok(chunk) => return Some(chunk),
                Err(broadcast::error::RecvError::Lagged(_)) if may_miss => {}
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.feed.0.cut_off.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// The event as a message of `text/event-stream`. JSON has line breaks only between its tokens, where a blank means the
/// same.
pub fn frame(event: &Event) -> Bytes {
    let mut text = format!("id: {}\nevent: {}\ndata: ", event.id, event.event_type).into_bytes();
    let begin = text.len();
    // Details are checked when they are stored; what cannot be written is told without its data.
    event.serialize(&mut serde_json::Serializer::new(&mut text)).ok();
    for byte in &mut text[begin..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    text.extend_from_slice(b"\n\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Details, EventId, EventType, UrlId};

    fn row(id: i64, details: &str) -> LedgerEvent {
        let event = Event {
            id: EventId(id),
            url_id: UrlId(7),
            user_id: None,
            event_type: EventType::click(),
            timestamp: chrono::DateTime::from_timestamp(1_780_000_000, 0).unwrap(),
            details: Details::parse(details).unwrap(),
        };
        LedgerEvent { event, owner: None }
    }

    #[test]
    fn an_event_is_one_message_whatever_its_details() {
        let text = frame(&row(3, "{\n\"a\":\r\n\"\\n\"}").event);
        let expected = "id: 3\nevent: click\ndata: {\"id\":3,\"url_id\":7,\"user_id\":null,\"event_type\":\"click\",\
                        \"timestamp\":\"2026-05-28T20:26:40Z\",\"details\":{ \"a\":  \"\\n\"}}\n\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn chunks_cover_every_id_once() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(CHUNK_BYTES / 2));
        let rows: Vec<LedgerEvent> = [3, 5, 6, 9].map(|id| row(id, &long)).into();
        let covered: Vec<(i64, i64, usize)> =
            chunks(2, 11, rows).iter().map(|chunk| (chunk.after, chunk.until, chunk.events.len())).collect();
        assert_eq!(covered, [(2, 5, 2), (5, 9, 2), (9, 11, 0)]);
    }
}
