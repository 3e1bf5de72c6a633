//! `buoy serve`: puts the service together, runs it, and ends it in order.
//!
//! The service listens before it has a database. `Parts::end` is the list of its shutdown.

mod listen;
mod upkeep;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::http::HeaderValue;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{Instant, timeout},
};

use self::listen::{check_access, listen, server_limits};
use super::doctor;
use crate::{
    access::Access,
    cache::{LinkCache, sync::CacheSync},
    clicks::{self, ClickRecorder},
    config::Config,
    console,
    db::Store,
    domain::Clock,
    feed::Feed,
    fleet::{Availability, Monitor},
    http::{
        self,
        server::{Site, Stop, serve},
    },
    lifecycle::{Lifecycle, Tasks},
    limits::{Exclusive, Limits, Load},
    metrics::RequestMetrics,
    outbound::{Titles, titles},
    state::{AppState, KeysAtWork, Shared, totals},
    telemetry::DroppedLines,
    visitors::Visitors,
};

/// Concurrent bulk uploads; further ones are 503, so that slow ones never take the last connection to the database.
const UPLOADS: usize = 2;
/// How long before the deadline of the shutdown requests are cut off,
const REQUESTS_END: Duration = Duration::from_millis(1_500);
/// clicks that are not stored are given up,
const CLICKS_END: Duration = Duration::from_millis(1_000);
/// and the monitor leaves the database. What remains closes its connections and flushes the log.
const DATABASE_END: Duration = Duration::from_millis(800);
/// How long closing the database's connections may take.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(200);

/// Serves until a signal ends it.
///
/// # Errors
/// The address cannot be listened on, the embedded database cannot be opened, PostgreSQL refuses the credentials
/// before it was ever usable, or a second signal forces the end.
pub async fn run(config: Config, dropped: DroppedLines) -> anyhow::Result<()> {
    check_access(&config.access, &config.listen)?;
    tracing::info!(database = config.store.url.place(), "opening the database");
    let store = Store::open(&config.store).await?;
    let visitors = Visitors::open(&config.visitors).context("GEOIP_DB cannot be used")?;
    let listener = listen(&config.listen)?;
    let mut lifecycle = Lifecycle::new(config.shutdown).context("cannot handle signals")?;
    let parts = Parts::default();

    let (clicks, writer) = clicks::channel(config.clicks);
    let cache = Arc::new(LinkCache::new(config.cache, config.http.concurrent));
    let (monitor, availability) = Monitor::new(&store, observer(&cache, &clicks));
    let monitor = parts.database.spawn(monitor.run(parts.database.soft()));
    if config.store.migrate {
        parts.database.spawn(upkeep::migrate(store.clone(), parts.database.soft()));
    }
    let shared = assemble(&config, availability, cache, clicks, visitors, &lifecycle);
    let titles = start_titles(&config, &store, &parts.requests);
    let app = AppState::new(store.clone(), Shared { titles, metrics: RequestMetrics::with(dropped), ..shared });
    let (availability, clock) = (app.availability.clone(), app.clock.clone());
    parts.requests.spawn(app.feed.clone().run(store.clone(), availability.clone(), parts.requests.soft()));
    let (soft, hard) = (parts.clicks.soft(), parts.clicks.hard());
    parts.clicks.spawn(writer.run(store.clone(), availability, clock, soft, hard));
    parts.take_requests(listener, app, &config);

    let deadline = tokio::select! {
        deadline = lifecycle.stopping() => deadline?,
        ended = monitor => return ended.context("the database's monitor panicked")?.map_err(Into::into),
    };
    lifecycle.unless_forced(parts.end(&store, deadline)).await?;
    tracing::info!("stopped");
    Ok(())
}

/// The tasks of the service, in the order in which they end.
#[derive(Default)]
struct Parts {
    /// The server, and what serves requests.
    requests: Tasks,
    /// The writer of clicks.
    clicks: Tasks,
    /// The monitor and the migration.
    database: Tasks,
}

impl Parts {
    fn take_requests(&self, listener: TcpListener, app: AppState, config: &Config) {
        let tasks = &self.requests;
        tasks.spawn(upkeep::prune(app.clone(), config.clicks.kept_days, tasks.soft()));
        let limits = server_limits(&config.listen);
        let stop = Stop { stopping: tasks.soft(), deadline: tasks.hard() };
        let examine = examine(config);
        let router = http::router(app.clone(), |routes, api| console::pages(&app, routes, api, examine));
        tasks.spawn(async move {
            if !serve(listener, Site::new(app, router), stop, limits).await {
                tracing::warn!("requests were cut off at the deadline");
            }
        });
    }

    /// The shutdown, in order: nothing more is accepted and requests finish; their clicks are stored; this replica
    /// leaves the fleet; its connections close.
    async fn end(self, store: &Store, deadline: Instant) {
        let before = |time| deadline.checked_sub(time).unwrap_or(deadline);
        self.requests.end(before(REQUESTS_END)).await;
        self.clicks.end(before(CLICKS_END)).await;
        self.database.end(before(DATABASE_END)).await;
        timeout(CLOSE_TIMEOUT, store.close()).await.ok();
    }
}

fn assemble(
    config: &Config,
    availability: Availability,
    cache: Arc<LinkCache>,
    clicks: ClickRecorder,
    visitors: Visitors,
    lifecycle: &Lifecycle,
) -> Shared {
    let clock = Clock::system();
    Shared {
        availability,
        cache,
        access: Access::new(&config.access),
        metrics: RequestMetrics::default(),
        visitors,
        clicks,
        feed: Feed::default(),
        titles: Titles::off(),
        settings: config.http.clone(),
        replica: HeaderValue::try_from(replica_name()).unwrap_or(HeaderValue::from_static("unnamed")),
        started_at: clock.now(),
        clock,
        draining: lifecycle.draining(),
        uploads: Arc::new(Semaphore::new(UPLOADS)),
        limits: Limits::new(config.limits),
        listing: Exclusive::default(),
        creating: Exclusive::default(),
        load: Load::new(config.http.concurrent),
        keys_at_work: KeysAtWork::default(),
    }
}

/// What `buoy doctor` finds, for the console.
fn examine(config: &Config) -> console::Examine {
    let config = Arc::new(config.clone());
    Arc::new(move || Box::pin(doctor::findings(Arc::clone(&config))))
}

/// Starts the task that looks up titles, if that is configured.
fn start_titles(config: &Config, store: &Store, tasks: &Tasks) -> Titles {
    if !config.http.fetch_titles {
        return Titles::off();
    }
    let (titles, worker) = titles::channel();
    let policy = config.http.targets.clone();
    tasks.spawn(worker.run(store.clone(), policy, Clock::system(), tasks.soft(), tasks.hard()));
    titles
}

/// Receives changes on the cache's behalf, and reports this replica's clicks to the others.
fn observer(cache: &Arc<LinkCache>, clicks: &ClickRecorder) -> Arc<CacheSync> {
    let ledger = Arc::clone(clicks.ledger());
    Arc::new(CacheSync::new(Arc::clone(cache), replica_name(), move || totals(&ledger)))
}

/// The host's name, which in a container is the container's, else a random one. Answers carry it as `X-Replica`.
fn replica_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).take(64).collect();
    if name.is_empty() { format!("{:08x}", rand::random::<u32>()) } else { name }
}
