//! `/metrics`, for Prometheus.

mod page;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};

use crate::{clicks::Loss, domain::Policy, http::Error, limits::load::Shed, state::AppState};

/// What this replica counts, for Prometheus.
///
/// In the text format 0.0.4, or in OpenMetrics if `Accept` names it. Asks nothing of the database.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    responses(
        (
            status = 200,
            description = "The metrics",
            content((String = "text/plain"), (String = "application/openmetrics-text")),
        ),
    ),
)]
pub async fn metrics(State(app): State<AppState>, headers: HeaderMap) -> Result<Response, Error> {
    let mut registry = Registry::with_prefix("buoy");
    register_build(&mut registry);
    register_cache(&mut registry, &app);
    register_clicks(&mut registry, &app);
    register_feed(&mut registry, &app);
    register_titles(&mut registry, &app);
    register_database(&mut registry, &app);
    register_limits(&mut registry, &app);
    let page = app.metrics.write(&registry).map_err(Error::internal)?;
    let (kind, page) = page::negotiated(&headers, page);
    Ok(([(header::CONTENT_TYPE, kind), (header::VARY, HeaderValue::from_static("accept"))], page).into_response())
}

fn register_build(registry: &mut Registry) {
    let labels = vec![
        ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("commit".to_owned(), option_env!("BUOY_COMMIT").unwrap_or("unknown").to_owned()),
    ];
    let info = Family::<Vec<(String, String)>, Gauge>::default();
    info.get_or_create(&labels).set(1);
    registry.register("build_info", "The program's version and commit", info);
}

fn register_cache(registry: &mut Registry, app: &AppState) {
    let counts = app.cache.counts();
    let entries = app.cache.len() as u64;
    registry.register("cache_entries", "Codes in memory", ConstGauge::new(entries));
    registry.register("cache_hits", "Look-ups answered from memory", ConstCounter::new(counts.hits()));
    registry.register("cache_misses", "Look-ups that had to wait for the database", ConstCounter::new(counts.misses()));
    registry.register("cache_reads", "Queries for links", ConstCounter::new(counts.reads()));
    registry.register(
        "cache_stale",
        "Look-ups answered from memory past their time, the database being away",
        ConstCounter::new(counts.stale()),
    );
    registry.register("cache_dropped", "Entries dropped because a link changed", ConstCounter::new(counts.dropped()));
    registry.register(
        "cache_oldest_hit_seconds",
        "Age of the oldest entry served since the last scrape",
        ConstGauge::new(counts.take_oldest_hit().as_secs_f64()),
    );
}

fn register_clicks(registry: &mut Registry, app: &AppState) {
    let ledger = app.clicks.ledger();
    // What became of clicks before how many there were: the sum is never more than the whole.
    registry.register("clicks_stored", "Clicks in the database", ConstCounter::new(ledger.stored()));
    let lost = Family::<[(&str, &str); 1], Counter>::default();
    for reason in Loss::ALL {
        lost.get_or_create(&[("reason", reason.name())]).inc_by(ledger.lost_by(reason));
    }
    registry.register("clicks_lost", "Clicks given up, by reason", lost);
    let queued = ledger.queued();
    registry.register("clicks_accepted", "Clicks taken from redirects", ConstCounter::new(ledger.accepted()));
    registry.register(
        "clicks_degraded",
        "Redirects that were to wait for their click to be stored and were answered before",
        ConstCounter::new(ledger.degraded()),
    );
    registry.register("clicks_queued", "Clicks that wait to be written", ConstGauge::new(queued));
}

fn register_feed(registry: &mut Registry, app: &AppState) {
    let (streams, cut_off) = (app.feed.listeners() as u64, app.feed.cut_off());
    registry.register("streams", "Open streams of events", ConstGauge::new(streams));
    registry.register("streams_cut_off", "Streams whose clients did not keep up", ConstCounter::new(cut_off));
}

fn register_titles(registry: &mut Registry, app: &AppState) {
    let titles = Family::<[(&str, &str); 1], Counter>::default();
    for (outcome, count) in app.titles.counts().by_outcome() {
        titles.get_or_create(&[("outcome", outcome)]).inc_by(count);
    }
    registry.register("titles", "Titles of targets that were to be looked up, by outcome", titles);
}

fn register_database(registry: &mut Registry, app: &AppState) {
    let ready = u64::from(app.availability.outage().is_none());
    let pool = app.pool_use();
    registry.register("database_ready", "1 while the database can be used", ConstGauge::new(ready));
    registry.register("database_connections", "Connections in the pool", ConstGauge::new(u64::from(pool.size)));
    let idle = pool.idle as u64;
    registry.register("database_connections_idle", "Connections in the pool that nobody uses", ConstGauge::new(idle));
    let peers = app.peers().map_or(0, |peers| peers.count() as u64);
    registry.register("peers", "Other replicas known to be alive", ConstGauge::new(peers));
    let silence = app.peers().map_or(0.0, |peers| peers.since_heard().as_secs_f64());
    registry.register(
        "freshness_lag_seconds",
        "Time since changes were last known to be heard of",
        ConstGauge::new(silence),
    );
}

fn register_limits(registry: &mut Registry, app: &AppState) {
    let limited = Family::<[(&str, &str); 1], Counter>::default();
    for policy in Policy::ALL {
        limited.get_or_create(&[("policy", policy.name())]).inc_by(app.limits.limited(policy));
    }
    registry.register("limited", "Requests refused by a rate limit, by policy", limited);
    let shed = Family::<[(&str, &str); 1], Counter>::default();
    for reason in Shed::ALL {
        shed.get_or_create(&[("reason", reason.name())]).inc_by(app.load.shed(reason));
    }
    shed.get_or_create(&[("reason", "reads")]).inc_by(app.cache.counts().shed());
    registry.register("shed", "Requests sent away because too much was at work, by reason", shed);
}
