//! What this process counts of its requests, for Prometheus. What other rooms count is read there when it is asked for.

#[cfg(target_os = "linux")]
mod process;
#[cfg(not(target_os = "linux"))]
mod process {
    /// Other systems have no `/proc`.
    pub(super) fn register(_: &mut prometheus_client::registry::Registry) {}
}

use std::{fmt, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

/// Upper bounds in seconds: from what a redirect from memory takes to what a client gives up at.
const SECONDS: [f64; 13] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The route that links are followed by.
pub const REDIRECT_ROUTE: &str = "/{short_code}";

/// What one request is counted under. Never the path: codes and ids would make a series each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

/// The counts of this process's requests.
#[derive(Debug)]
pub struct RequestMetrics {
    registry: Registry,
    requests: Family<RequestLabels, Histogram>,
    /// Of these, redirects: looking theirs up by its labels would cost as much as counting it.
    redirects: Histogram,
    acknowledgements: Histogram,
    unacknowledged: Counter,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        let requests = Family::<RequestLabels, Histogram>::new_with_constructor(seconds);
        let labels = RequestLabels { method: "GET", route: REDIRECT_ROUTE.to_owned(), status: 302 };
        let redirects = requests.get_or_create(&labels).clone();
        let acknowledgements = seconds();
        let unacknowledged = Counter::default();
        let mut registry = Registry::with_prefix("buoy");
        registry.register("http_request_duration_seconds", "Time to answer, by route and status", requests.clone());
        registry.register(
            "change_acknowledged_seconds",
            "Time until every live replica had dropped a changed link",
            acknowledgements.clone(),
        );
        registry.register(
            "changes_unacknowledged",
            "Changes answered before every live replica had acknowledged",
            unacknowledged.clone(),
        );
        Self { registry, requests, redirects, acknowledgements, unacknowledged }
    }
}

impl RequestMetrics {
    /// With a metric that is kept elsewhere.
    pub fn with(collector: impl Collector) -> Self {
        let mut metrics = Self::default();
        metrics.registry.register_collector(Box::new(collector));
        metrics
    }

    /// Counts a request.
    pub fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        if (method, route, status) == ("GET", REDIRECT_ROUTE, 302) {
            return self.redirects.observe(took.as_secs_f64());
        }
        let labels = RequestLabels { method: known(method), route: route.to_owned(), status };
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts a change that waited for the other replicas.
    pub fn acknowledged(&self, took: Duration, in_time: bool) {
        self.acknowledgements.observe(took.as_secs_f64());
        if !in_time {
            self.unacknowledged.inc();
        }
    }

    /// Writes these metrics, `others`, and the process's own in the OpenMetrics text format.
    ///
    /// # Errors
    /// If a metric cannot be written.
    pub fn write(&self, others: &Registry) -> Result<String, fmt::Error> {
        let mut page = String::new();
        let mut own = Registry::default();
        process::register(&mut own);
        for registry in [others, &self.registry, &own] {
            text::encode_registry(&mut page, registry)?;
        }
        text::encode_eof(&mut page)?;
        Ok(page)
    }
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// The method as a label: a client may invent methods without end.
fn known(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}
