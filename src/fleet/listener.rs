//! The connection that hears of changes: what other replicas announce, and whether the database still answers.
//!
//! It proves itself by a heartbeat. After 750 ms without an answer it is given up, also if packets are dropped and
//! no error ever comes.

use std::{collections::HashMap, time::Duration};

use sqlx::{
    Executor as _,
    postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions},
};
use tokio::time::{Instant, timeout_at};

use super::replicas;
use crate::db::{
    StoreError, address,
    announcement::{ANNOUNCEMENTS, Acknowledgement, Announcement, Changes, News, UNAWAITED, acknowledgements_to},
    dialect,
    receipts::Peers,
};

/// How often the connection is asked whether it still works, and how long it may be silent.
pub(super) const PING_EVERY: Duration = Duration::from_millis(250);
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(750);
/// How often this process's row is written and the others' are read.
pub(super) const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// Acknowledgements, one to each replica that waits, are spaced by this interval when hundreds of changes come in a
/// second, and those who wait wait so much longer: each is a transaction that wakes every listening session of the
/// database.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_millis(5);
/// After a pause of this length, as many rounds as would have fitted into it are sent immediately: some changes in a
/// row wait for nothing.
const ACKNOWLEDGE_AHEAD: Duration = Duration::from_millis(100);
/// Changes that one acknowledgement names at most: PostgreSQL's payload has 8,000 bytes, a number up to 20 digits.
const ACKNOWLEDGED_PER_MESSAGE: usize = 300;

/// What hears of changes on this process's behalf.
pub trait Observer: Send + Sync + 'static {
    /// Links changed: what is known of them is to be dropped before this returns.
    fn changed(&self, changes: &Changes);
    /// Changes are heard from now on; any number may have been missed before.
    fn connected(&self);
    /// Changes are still heard; told about four times a second while that is so.
    fn heard(&self);
    /// Changes are not heard any more.
    fn cut_off(&self);
    /// The name that answers carry as `X-Replica`.
    fn name(&self) -> &str;
    /// The process's counters, a JSON object.
    fn totals(&self) -> String;
}

/// A working connection that hears of changes.
pub(super) struct Listener {
    connection: PgListener,
    last_answer: Instant,
    next_heartbeat: Instant,
    /// Changes to be acknowledged, by the replica that waits for that.
    owed: HashMap<String, Vec<u64>>,
    /// When the next acknowledgement may be sent; in the past if some may be sent immediately.
    next_acknowledgement: Instant,
}

impl Listener {
    /// Connects and begins to listen.
    pub(super) async fn connect(options: &PgConnectOptions, peers: &Peers, limit: Duration) -> sqlx::Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(limit)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_before_acquire(false)
            .connect_lazy_with(options.clone().application_name("buoy listener"));
        let mut connection = PgListener::connect_with(&pool).await?;
        connection.ignore_pool_close_event(true);
        connection.eager_reconnect(false);
        connection.listen_all([ANNOUNCEMENTS, &acknowledgements_to(peers.own())]).await?;
        let now = Instant::now();
        let owed = HashMap::new();
        Ok(Self { connection, last_answer: now, next_heartbeat: now, owed, next_acknowledgement: now })
    }

    /// Whether nothing stands between: through a pooler nothing would be heard, and nothing would tell.
    pub(super) async fn is_direct(&mut self) -> sqlx::Result<bool> {
        address::is_direct(&mut self.connection).await
    }

    /// The newest migration applied.
    pub(super) async fn schema_version(&mut self) -> sqlx::Result<Option<i64>> {
        sqlx::query_scalar(dialect::SCHEMA_VERSION.postgres).fetch_one(&mut self.connection).await
    }

    /// Enters this process in the table of replicas and tells the others.
    pub(super) async fn enter(&mut self, peers: &Peers, observer: &dyn Observer) -> sqlx::Result<()> {
        // What is written here says what is, not what was: it need not outlive a crash of the server.
        self.connection.execute("SET synchronous_commit = off").await?;
        replicas::prune(&mut self.connection).await?;
        self.heartbeat(peers, observer).await?;
        self.announce(peers, News::Came).await
    }

    /// Leaves the table of replicas and tells the others.
    pub(super) async fn leave(&mut self, peers: &Peers) -> sqlx::Result<()> {
        replicas::delete(&mut self.connection, peers.own()).await?;
        self.announce(peers, News::Went).await
    }

    /// Hears of changes until the connection no longer works; answers why.
    pub(super) async fn listen(&mut self, peers: &Peers, observer: &dyn Observer) -> String {
        self.last_answer = Instant::now();
        loop {
            let done = match timeout_at(self.wakes_at(), self.connection.try_recv()).await {
                Ok(Ok(Some(first))) => self.hear(first, peers, observer).await,
                Ok(Ok(None)) => return "the connection broke off".to_owned(),
                Ok(Err(error)) => Err(error),
                Err(_) => self.acknowledge(peers).await,
            };
            let done = match done {
                Ok(()) if Instant::now() >= self.last_answer + PING_EVERY => self.ping(peers, observer).await,
                done => done,
            };
            if let Err(error) = done {
                return StoreError::from(error).to_string();
            }
        }
    }

    /// When there is something to do even though nothing is heard.
    fn wakes_at(&self) -> Instant {
        let beat = self.last_answer + PING_EVERY;
        if self.owed.is_empty() { beat } else { beat.min(self.next_acknowledgement) }
    }

    /// Takes in a notification and those that wait behind it.
    async fn hear(&mut self, first: PgNotification, peers: &Peers, observer: &dyn Observer) -> sqlx::Result<()> {
        let mut next = Some(first);
        while let Some(notification) = next {
            take(&notification, peers, observer, &mut self.owed);
            next = self.connection.next_buffered();
        }
        observer.heard();
        self.acknowledge(peers).await
    }

    /// Acknowledges what was taken in, all of one replica together, unless too many acknowledgements were sent lately.
    async fn acknowledge(&mut self, peers: &Peers) -> sqlx::Result<()> {
        if self.owed.is_empty() || Instant::now() < self.next_acknowledgement {
            return Ok(());
        }
        for (replica, numbers) in std::mem::take(&mut self.owed) {
            for numbers in numbers.chunks(ACKNOWLEDGED_PER_MESSAGE) {
                let answer = Acknowledgement { from: peers.own().to_owned(), numbers: numbers.to_vec() };
                self.notify(&acknowledgements_to(&replica), &answer).await?;
            }
        }
        let earliest = Instant::now() - ACKNOWLEDGE_AHEAD;
        self.next_acknowledgement = self.next_acknowledgement.max(earliest) + ACKNOWLEDGE_EVERY;
        Ok(())
    }

    async fn ping(&mut self, peers: &Peers, observer: &dyn Observer) -> sqlx::Result<()> {
        let limit = self.last_answer + ANSWER_TIMEOUT;
        let answered = async {
            if Instant::now() >= self.next_heartbeat {
                self.heartbeat(peers, observer).await
            } else {
                self.connection.execute("SELECT 1").await.map(drop)
            }
        };
        timeout_at(limit, answered).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(silent)?;
        self.last_answer = Instant::now();
        peers.hears();
        observer.heard();
        Ok(())
    }

    async fn heartbeat(&mut self, peers: &Peers, observer: &dyn Observer) -> sqlx::Result<()> {
        replicas::upsert(&mut self.connection, peers.own(), observer.name(), &observer.totals()).await?;
        peers.set_live(replicas::live(&mut self.connection).await?);
        self.next_heartbeat = Instant::now() + HEARTBEAT_EVERY;
        Ok(())
    }

    async fn announce(&mut self, peers: &Peers, news: News) -> sqlx::Result<()> {
        let announcement = Announcement::of(peers.own(), news);
        self.notify(ANNOUNCEMENTS, &announcement).await
    }

    async fn notify(&mut self, channel: &str, message: &impl serde::Serialize) -> sqlx::Result<()> {
        let text = serde_json::to_string(message).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let sent = sqlx::query(dialect::ANNOUNCE).bind(channel).bind(text).execute(&mut self.connection);
        timeout_at(Instant::now() + ANSWER_TIMEOUT, sent)
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
            .map_err(silent)?;
        Ok(())
    }
}

fn take(notification: &PgNotification, peers: &Peers, observer: &dyn Observer, owed: &mut HashMap<String, Vec<u64>>) {
    if notification.channel() != ANNOUNCEMENTS {
        if let Ok(answer) = serde_json::from_str::<Acknowledgement>(notification.payload()) {
            peers.acknowledged(&answer.from, &answer.numbers);
        }
        return;
    }
    match serde_json::from_str::<Announcement>(notification.payload()) {
        Ok(Announcement { from, news: News::Changed(number, changes) }) => {
            observer.changed(&changes);
            if from != peers.own() && number != UNAWAITED {
                owed.entry(from).or_default().push(number);
            }
        }
        Ok(Announcement { from, news: News::Came }) => peers.came(&from),
        Ok(Announcement { from, news: News::Went }) => peers.went(&from),
        // From another version: what it means is not known, so everything is dropped.
        Err(_) => observer.changed(&Changes::All),
    }
}

/// Says in the place of a time-out what it means here.
pub(super) fn silent(error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::PoolTimedOut => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
        other => other,
    }
}
