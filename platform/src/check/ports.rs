//! Ports and paths: the platform, the probes and the program mean the same ones.

use super::{Subject, variables};
use crate::{
    document::Fault,
    spec::{Component, HealthCheck},
};

/// What readiness is asked, and what liveness is: see `src/http/routes/health.rs`.
const READY: &str = "/ready";
const HEALTH: &str = "/health";

/// Checks every service, and that requests reach one.
pub(super) fn check(subject: &Subject<'_>, faults: &mut Vec<Fault>) {
    for (at, service) in subject.app.services.iter().enumerate() {
        let pointer = format!("/services/{at}");
        check_port(subject, &pointer, service, faults);
        let probes = [
            ("health_check", &service.health_check, READY),
            ("liveness_health_check", &service.liveness_health_check, HEALTH),
        ];
        for (name, probe, path) in probes {
            match probe {
                None => faults.push(subject.fault(&pointer, format!("expected a {name} that asks {path}"))),
                Some(probe) => check_probe(subject, &format!("{pointer}/{name}"), service, probe, path, faults),
            }
        }
    }
    for (at, rule) in subject.app.ingress.rules.iter().enumerate() {
        let Some(target) = &rule.component else { continue };
        let prefix = rule.matches.path.prefix.as_deref();
        if prefix.is_some_and(|prefix| prefix != "/") && !target.preserve_path_prefix {
            let problem = "expected preserve_path_prefix: true: buoy's routes stand at the root, and the prefix would \
                           be cut off";
            faults.push(subject.fault(&format!("/ingress/rules/{at}/component"), problem));
        }
    }
    let everything =
        |prefix: Option<&str>, exact: Option<&str>| exact.is_none() && prefix.is_none_or(|prefix| prefix == "/");
    let reached = subject.app.ingress.rules.iter().any(|rule| {
        rule.component.is_some() && everything(rule.matches.path.prefix.as_deref(), rule.matches.path.exact.as_deref())
    });
    if !subject.app.services.is_empty() && !reached {
        faults.push(subject.fault("/ingress", "expected a rule that sends every path to a service"));
    }
}

fn check_port(subject: &Subject<'_>, pointer: &str, service: &Component, faults: &mut Vec<Fault>) {
    let port = service.port();
    let Ok(config) = variables::config(subject, service) else { return };
    if config.listen.port != port {
        let at = position(service, "PORT")
            .map_or_else(|| format!("{pointer}/http_port"), |at| format!("{pointer}/envs/{at}/value"));
        faults.push(
            subject.fault(&at, format!("the program would listen on {}, and http_port is {port}", config.listen.port)),
        );
    }
    if config.listen.host.is_loopback() {
        let at =
            position(service, "HOST").map_or_else(|| pointer.to_owned(), |at| format!("{pointer}/envs/{at}/value"));
        let problem =
            format!("the program would listen on {}, out of everyone's reach: expected 0.0.0.0", config.listen.host);
        faults.push(subject.fault(&at, problem));
    }
    if let Ok(dockerfile) = variables::dockerfile(subject, service)
        && !dockerfile.ports.is_empty()
        && !dockerfile.ports.contains(&port)
    {
        faults.push(subject.fault(&format!("{pointer}/http_port"), format!("the image does not expose {port}")));
    }
}

fn position(component: &Component, key: &str) -> Option<usize> {
    component.envs.iter().position(|variable| variable.key == key)
}

fn check_probe(
    subject: &Subject<'_>,
    at: &str,
    service: &Component,
    probe: &HealthCheck,
    path: &str,
    faults: &mut Vec<Fault>,
) {
    if let Some(port) = probe.port
        && port != service.port()
    {
        let problem = format!("asks port {port}, and the service listens on {}", service.port());
        faults.push(subject.fault(&format!("{at}/port"), problem));
    }
    match probe.http_path.as_deref() {
        None => {
            faults.push(subject.fault(at, format!("expected http_path: {path}, since a connection alone says nothing")))
        }
        Some(found) if found != path => {
            faults.push(subject.fault(&format!("{at}/http_path"), format!("asks {found}, and expected {path}")));
        }
        Some(_) => {}
    }
}
