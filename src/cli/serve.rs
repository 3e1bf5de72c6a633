//! `buoy serve`: puts the service together, runs it, and takes it apart in order.
//!
//! The service listens before it has a database. It ends in this order: readiness fails, nothing more is accepted,
//! requests finish, the click queue drains, the connections close; all of it before the deadline.

mod limits;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::http::HeaderValue;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::limits::server_limits;
use super::store_settings;
use crate::{
    access::{Access, AccessSettings},
    cache::{LinkCache, sync::CacheSync},
    clicks::{self, ClickRecorder},
    config::{Config, ListenConfig},
    db::{Store, StoreSettings},
    domain::Clock,
    fleet::{Availability, Monitor, monitor::wait_for_server},
    http::{
        self,
        idempotency::KEPT_FOR,
        server::{Site, Stop},
    },
    lifecycle::Lifecycle,
    limits::{Limits, Load},
    metrics::RequestMetrics,
    outbound::{Titles, titles},
    state::{AppState, KeysAtWork, Shared, totals},
    telemetry::DroppedLines,
    visitors::Visitors,
};

/// How often answers to idempotent requests that are past their time are deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// How soon after an outage that is tried again.
const PRUNE_RETRY: Duration = Duration::from_secs(1);
/// How long the receipts of click batches are kept: far longer than any process tries a batch again.
const RECEIPTS_KEPT_FOR: chrono::Duration = chrono::Duration::hours(24);
/// Bulk uploads at once: the others are told to come back, so that slow ones never take the last connection.
const UPLOADS_AT_ONCE: usize = 2;
/// What is kept of the grace period for closing connections and flushing the log.
const LAST_STEPS: Duration = Duration::from_millis(750);
/// Of these, for closing the database's connections.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(200);
/// How long a database that is to be migrated on start is waited for, before the wait begins anew.
const MIGRATE_PATIENCE: Duration = Duration::from_secs(3_600);

/// Serves until a signal ends it.
///
/// # Errors
/// Where the address cannot be listened on, the embedded database cannot be opened, or PostgreSQL refuses the
/// credentials before it was ever usable.
pub async fn run(config: Config, dropped: DroppedLines) -> anyhow::Result<()> {
    check_access(&config.access, &config.listen)?;
    let settings = store_settings(&config.database)?;
    let store = Store::open(&settings).await.context("cannot open the database")?;
    let visitors = Visitors::open(&config.visitors).context("GEOIP_DB cannot be used")?;
    let listener = listen(&config.listen)?;
    let lifecycle = Lifecycle::new(&config.shutdown);
    let signals = lifecycle.listen_for_signals().context("cannot listen for signals")?;
    let (clicks, writer) = clicks::channel(config.clicks);
    let cache = Arc::new(LinkCache::new(config.cache, config.load.requests));
    let background = Background::start(&settings, &store, observer(&cache, &clicks), config.database.migrate_on_start);
    let shared = assemble(&config, background.availability.clone(), cache, clicks, visitors, &lifecycle);
    let give_up = CancellationToken::new();
    let (titles, seeker) = start_titles(&config, &store, &lifecycle, &give_up);
    let metrics = RequestMetrics::with(dropped);
    let app = AppState::new(store.clone(), Shared { titles, metrics, ..shared });
    let writer = writer.run(store.clone(), app.availability.clone(), app.clock.clone(), give_up.clone());
    let writer = tokio::spawn(writer);
    let pruner = tokio::spawn(prune(app.clone(), config.retention.event_days, lifecycle.stopping()));

    let (deadline, limits) = (CancellationToken::new(), server_limits(&config));
    let stop = Stop { stopping: lifecycle.stopping(), deadline: deadline.clone() };
    let served = async {
        let all_finished = http::server::serve(listener, Site::new(app), stop, limits).await;
        if !all_finished {
            tracing::warn!("requests were cut off at the deadline");
        }
        // The router is gone, and with it the last recorder: the writer drains the queue and ends.
        pruner.await.ok();
        if let Some(seeker) = seeker {
            seeker.await.ok();
        }
        writer.await.ok();
    };
    let result = background.run_beside(served, expire(lifecycle.clone(), deadline, give_up)).await;
    tokio::time::timeout(CLOSE_TIMEOUT, store.close()).await.ok();
    signals.abort();
    tracing::info!("stopped");
    result
}

fn listen(config: &ListenConfig) -> anyhow::Result<TcpListener> {
    let (host, port) = (config.host, config.port);
    let listener = http::server::listen((host, port).into())
        .with_context(|| format!("cannot listen on {host} port {port}; HOST and PORT choose another address"))?;
    let address = listener.local_addr().context("the socket has no address")?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "listening on http://{address}, documentation at /docs");
    Ok(listener)
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
        titles: Titles::off(),
        settings: config.http.clone(),
        replica: HeaderValue::try_from(replica_name()).unwrap_or(HeaderValue::from_static("unnamed")),
        started_at: clock.now(),
        clock,
        draining: lifecycle.draining(),
        uploads: Arc::new(Semaphore::new(UPLOADS_AT_ONCE)),
        limits: Limits::new(config.limits),
        load: Load::new(config.load.requests),
        keys_at_work: KeysAtWork::default(),
    }
}

/// Refuses to put an open API on an address that other machines reach, unless OPEN_API asks for that.
fn check_access(access: &AccessSettings, listen: &ListenConfig) -> anyhow::Result<()> {
    if let Some(reason) = access.refusal(listen.host) {
        anyhow::bail!(reason);
    }
    match &access.admin_token {
        None if listen.host.is_loopback() => tracing::info!("the API is open on this machine alone (no ADMIN_TOKEN)"),
        None => tracing::warn!("the API is open: every client may read and change everything (no ADMIN_TOKEN)"),
        Some(token) if token.is_short() => {
            tracing::warn!("ADMIN_TOKEN is so short that it might be guessed; `openssl rand -hex 32` makes a good one");
        }
        Some(_) => {}
    }
    Ok(())
}

/// Starts the task that looks up titles, where that is asked for.
fn start_titles(
    config: &Config,
    store: &Store,
    lifecycle: &Lifecycle,
    give_up: &CancellationToken,
) -> (Titles, Option<JoinHandle<()>>) {
    if !config.titles.fetch {
        return (Titles::off(), None);
    }
    let (titles, worker) = titles::channel();
    let (policy, clock) = (config.http.targets.clone(), Clock::system());
    let worker = worker.run(store.clone(), policy, clock, lifecycle.stopping(), give_up.clone());
    (titles, Some(tokio::spawn(worker)))
}

/// What hears of changes on the cache's behalf, and tells the other replicas how this one does.
fn observer(cache: &Arc<LinkCache>, clicks: &ClickRecorder) -> Arc<CacheSync> {
    // The ledger alone: a recorder kept here would keep the writer from ending.
    let ledger = Arc::clone(clicks.ledger());
    Arc::new(CacheSync::new(Arc::clone(cache), replica_name(), move || totals(&ledger)))
}

/// The host's name, which in a container is the container's, else a random one: what answers carry as `X-Replica`.
fn replica_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).take(64).collect();
    if name.is_empty() { format!("{:08x}", rand::random::<u32>()) } else { name }
}

/// Lets requests and clicks go at the deadline, the clicks a little later.
async fn expire(lifecycle: Lifecycle, requests: CancellationToken, clicks: CancellationToken) {
    lifecycle.expired(LAST_STEPS * 2).await;
    requests.cancel();
    lifecycle.expired(LAST_STEPS).await;
    clicks.cancel();
}

/// Deletes recorded answers, receipts, click events and visitors that are past their time, while the database can be used.
async fn prune(app: AppState, event_days: Option<u32>, stop: CancellationToken) {
    loop {
        let mut wait = PRUNE_EVERY;
        if app.availability.outage().is_some() {
            wait = PRUNE_RETRY;
        } else if let Some(Err(error)) = stop.run_until_cancelled(prune_once(&app, event_days)).await {
            tracing::warn!(%error, "could not delete what is past its time");
        }
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

async fn prune_once(app: &AppState, event_days: Option<u32>) -> crate::db::Result<()> {
    let now = app.clock.now();
    let store = app.store()?;
    store.prune_answers(now - KEPT_FOR).await?;
    store.prune_receipts(now - RECEIPTS_KEPT_FOR).await?;
    store.prune_buckets(now).await?;
    let swept = store.sweep(event_days, now).await?;
    if swept.clicks > 0 {
        tracing::info!(clicks = swept.clicks, "deleted click events that are past their time");
    }
    Ok(())
}

/// The tasks that look after the database.
struct Background {
    availability: Availability,
    monitor: JoinHandle<Result<(), crate::fleet::monitor::Refused>>,
    migration: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Background {
    fn start(settings: &StoreSettings, store: &Store, observer: Arc<CacheSync>, migrate: bool) -> Self {
        let stop = CancellationToken::new();
        let (monitor, availability) = Monitor::new(&settings.url, store, observer);
        let monitor = tokio::spawn(monitor.run(stop.clone()));
        let migration = migrate.then(|| tokio::spawn(migrate_when_up(settings.clone(), store.clone(), stop.clone())));
        Self { availability, monitor, migration, stop }
    }

    /// Runs the service to its end, or until the database refuses the credentials.
    async fn run_beside(
        mut self,
        served: impl Future<Output = ()>,
        clock: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let clock = async {
            clock.await;
            std::future::pending::<()>().await;
        };
        let result = tokio::select! {
            () = served => Ok(()),
            () = clock => Ok(()),
            refused = &mut self.monitor => return refused.context("the database's monitor panicked")?.map_err(Into::into),
        };
        self.stop.cancel();
        self.monitor.await.context("the database's monitor panicked")??;
        if let Some(migration) = self.migration {
            migration.await.ok();
        }
        result
    }
}

/// Migrates as soon as the server answers; the monitor sees the new schema by itself.
async fn migrate_when_up(settings: StoreSettings, store: Store, stop: CancellationToken) {
    let migrate = async {
        loop {
            match wait_for_server(&settings.url, MIGRATE_PATIENCE).await {
                Ok(()) => match store.migrate().await {
                    Ok(()) => return tracing::info!("schema up to date"),
                    Err(error) => tracing::error!(%error, "could not migrate the schema, trying again"),
                },
                Err(error) => tracing::error!(%error, "could not migrate the schema, trying again"),
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    stop.run_until_cancelled(migrate).await;
}
