//! Times: the program ends before the platform loses patience, and a probe before the next one begins.

use super::{Subject, variables};
use crate::{
    document::Fault,
    spec::{Component, Probe},
};

/// Seconds after which the platform's edge cuts off an upload.
const EDGE: u64 = 100;

/// Checks every service.
pub(super) fn check(subject: &Subject<'_>, faults: &mut Vec<Fault>) {
    for (at, service) in subject.app.services.iter().enumerate() {
        let pointer = format!("/services/{at}");
        check_end(subject, &pointer, service, faults);
        check_probe(subject, &format!("{pointer}/health_check"), &service.readiness(), faults);
        if let Some(probe) = service.liveness() {
            check_probe(subject, &format!("{pointer}/liveness_health_check"), &probe, faults);
        }
    }
}

fn check_end(subject: &Subject<'_>, pointer: &str, service: &Component, faults: &mut Vec<Fault>) {
    let Ok(config) = variables::config(subject, service) else { return };
    let (own, upload) = (config.shutdown.grace.as_secs(), config.http.bulk_timeout.as_secs());
    let termination = service.termination;
    let (drain, grace) = (u64::from(termination.drain_seconds), u64::from(termination.grace_period_seconds));
    let at = format!("{pointer}/termination/grace_period_seconds");
    if grace <= own {
        let problem = format!(
            "{grace} s are over before the program ends by itself: expected more than SHUTDOWN_GRACE_SECONDS, \
             which is {own}"
        );
        faults.push(subject.fault(&at, problem));
    }
    if drain + own < upload {
        let problem = format!(
            "an upload may take {upload} s (BULK_TIMEOUT_SECONDS), and is cut off after drain_seconds and \
             SHUTDOWN_GRACE_SECONDS: {drain} + {own} s"
        );
        faults.push(subject.fault(&format!("{pointer}/termination/drain_seconds"), problem));
    }
    for (name, seconds) in
        [("BULK_TIMEOUT_SECONDS", upload), ("REQUEST_TIMEOUT_SECONDS", config.http.request_timeout.as_secs())]
    {
        if seconds >= EDGE {
            let envs = &service.envs;
            let set = envs.iter().position(|variable| variable.key == name);
            let at = set.map_or_else(|| pointer.to_owned(), |at| format!("{pointer}/envs/{at}/value"));
            faults.push(subject.fault(&at, format!("{name} is {seconds} s, and the edge gives up after {EDGE} s")));
        }
    }
}

fn check_probe(subject: &Subject<'_>, at: &str, probe: &Probe, faults: &mut Vec<Fault>) {
    if probe.timeout >= probe.period {
        let problem = format!("a probe may take {} s, and the next begins after {} s", probe.timeout, probe.period);
        faults.push(subject.fault(&format!("{at}/timeout_seconds"), problem));
    }
}
