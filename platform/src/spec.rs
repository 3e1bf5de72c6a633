//! The parts of an app spec that checks and the rehearsal look at, with the platform's defaults for what it leaves out.
//!
//! A spec is read after the schema has accepted it, so that what is left out here has the right form as well.

use serde::Deserialize;

use crate::document::Document;

/// An app.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct App {
    /// Its name.
    pub name: String,
    /// Its region; the platform chooses if the spec leaves it out.
    pub region: Option<String>,
    /// What answers requests.
    pub services: Vec<Component>,
    /// What runs beside them.
    pub workers: Vec<Component>,
    /// What runs to its end.
    pub jobs: Vec<Component>,
    /// Databases.
    pub databases: Vec<Database>,
    /// Variables of every component.
    pub envs: Vec<Variable>,
    /// Which requests go to which component.
    pub ingress: Ingress,
}

/// A service, a worker or a job.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// When a job runs.
    pub kind: Option<String>,
    /// What its image is built from.
    pub dockerfile_path: Option<String>,
    /// What is run instead of the image's entrypoint.
    pub run_command: Option<String>,
    /// Size of an instance.
    pub instance_size_slug: Option<String>,
    /// Instances; one by default.
    pub instance_count: Option<u32>,
    /// Instances by load.
    pub autoscaling: Option<Autoscaling>,
    /// The service's port.
    pub http_port: Option<u16>,
    /// Whether an instance gets requests.
    pub health_check: Option<HealthCheck>,
    /// Whether an instance is restarted.
    pub liveness_health_check: Option<HealthCheck>,
    /// How an instance is stopped.
    pub termination: Termination,
    /// Its variables.
    pub envs: Vec<Variable>,
}

/// Instances by load.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Autoscaling {
    /// At least.
    pub min_instance_count: u32,
    /// At most.
    pub max_instance_count: u32,
}

/// A probe. What it leaves out differs between readiness and liveness: see [`Probe`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    /// Asked over HTTP; without it a connection is enough.
    pub http_path: Option<String>,
    /// The service's port by default.
    pub port: Option<u16>,
    initial_delay_seconds: Option<u32>,
    period_seconds: Option<u32>,
    timeout_seconds: Option<u32>,
    success_threshold: Option<u32>,
    failure_threshold: Option<u32>,
}

/// A probe with the defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Asked over HTTP; none if a connection is enough.
    pub http_path: Option<String>,
    /// Seconds before the first one.
    pub initial_delay: u32,
    /// Seconds between two.
    pub period: u32,
    /// Seconds until one has failed.
    pub timeout: u32,
    /// Successes in a row that count as well.
    pub success: u32,
    /// Failures in a row that count as ill.
    pub failure: u32,
}

/// How an instance is stopped. Jobs and workers have the second part only.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
pub struct Termination {
    /// Seconds between the last new request and SIGTERM.
    pub drain_seconds: u32,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_period_seconds: u32,
}

/// A database.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Database {
    /// Its name within the spec.
    pub name: String,
    /// The version of its engine.
    pub version: Option<String>,
    /// Whether it is a cluster of its own, and not a development database.
    pub production: bool,
    /// The cluster's name.
    pub cluster_name: Option<String>,
    /// The database within it.
    pub db_name: Option<String>,
    /// The user.
    pub db_user: Option<String>,
}

/// A variable.
#[derive(Debug, Clone, Deserialize)]
pub struct Variable {
    /// Its name.
    pub key: String,
    /// Its value, bindings not yet replaced.
    #[serde(default)]
    pub value: String,
    /// When it is there.
    #[serde(default)]
    pub scope: Option<String>,
    /// `SECRET` if it is kept encrypted.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

/// Which requests go to which component.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Ingress {
    /// The first that matches counts.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// What it is for; everything by default.
    #[serde(rename = "match")]
    pub matches: Match,
    /// The component that gets the request.
    pub component: Option<Target>,
}

/// What a rule is for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Match {
    /// Paths.
    pub path: PathMatch,
}

/// Paths.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PathMatch {
    /// How they begin.
    pub prefix: Option<String>,
    /// What they are.
    pub exact: Option<String>,
}

/// The component that gets a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Whether the matched prefix stays.
    pub preserve_path_prefix: bool,
}

/// The root of an app spec within its file: the file itself, or what stands under `spec:` in the button's.
#[must_use]
pub fn base(document: &Document) -> &'static str {
    if document.root.get("spec").is_some() { "/spec" } else { "" }
}

impl App {
    /// Reads the spec of a file that the schema has accepted.
    ///
    /// # Errors
    /// If a part does not have the form that is expected here.
    pub fn read(document: &Document) -> anyhow::Result<Self> {
        let root = document.root.get("spec").unwrap_or(&document.root);
        Ok(serde_json::from_value(root.clone())?)
    }

    /// Every component with its pointer below the spec's root.
    pub fn components(&self) -> impl Iterator<Item = (String, &Component)> {
        let lists = [("services", &self.services), ("workers", &self.workers), ("jobs", &self.jobs)];
        lists.into_iter().flat_map(|(list, components)| {
            components.iter().enumerate().map(move |(at, component)| (format!("/{list}/{at}"), component))
        })
    }
}

impl Component {
    /// Instances at most.
    #[must_use]
    pub fn most_instances(&self) -> u32 {
        self.autoscaling.map_or(self.instance_count.unwrap_or(1), |scaling| scaling.max_instance_count)
    }

    /// Instances at least.
    #[must_use]
    pub fn least_instances(&self) -> u32 {
        self.autoscaling.map_or(self.instance_count.unwrap_or(1), |scaling| scaling.min_instance_count)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.http_port.unwrap_or(8080)
    }

    /// The readiness probe, by the platform's defaults.
    #[must_use]
    pub fn readiness(&self) -> Probe {
        self.health_check.clone().unwrap_or_default().or(Probe::of(0, 10, 1, 1, 9))
    }

    /// The liveness probe, if the spec has one.
    #[must_use]
    pub fn liveness(&self) -> Option<Probe> {
        self.liveness_health_check.clone().map(|check| check.or(Probe::of(5, 10, 1, 1, 18)))
    }
}

impl Probe {
    const fn of(initial_delay: u32, period: u32, timeout: u32, success: u32, failure: u32) -> Self {
        Self { http_path: None, initial_delay, period, timeout, success, failure }
    }
}

impl HealthCheck {
    fn or(self, default: Probe) -> Probe {
        Probe {
            http_path: self.http_path,
            initial_delay: self.initial_delay_seconds.unwrap_or(default.initial_delay),
            period: self.period_seconds.unwrap_or(default.period),
            timeout: self.timeout_seconds.unwrap_or(default.timeout),
            success: self.success_threshold.unwrap_or(default.success),
            failure: self.failure_threshold.unwrap_or(default.failure),
        }
    }
}

impl Variable {
    /// Whether the program sees it.
    #[must_use]
    pub fn at_run_time(&self) -> bool {
        self.scope.as_deref() != Some("BUILD_TIME")
    }

    /// Whether it is a secret whose value does not stand in the spec: left out, or encrypted by the platform as
    /// `EV[…]`.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.kind.as_deref() == Some("SECRET") && (self.value.is_empty() || self.value.starts_with("EV["))
    }

    /// Whether the build sees it.
    #[must_use]
    pub fn at_build_time(&self) -> bool {
        self.scope.as_deref() != Some("RUN_TIME")
    }
}

impl Default for Termination {
    fn default() -> Self {
        Self { drain_seconds: 15, grace_period_seconds: 120 }
    }
}
