//! Variables: each one that the spec sets is read by buoy or by its build, with a value that buoy takes, and none is
//! missing.

use std::collections::HashSet;

use buoy::config::{Config, ConfigError, variables};

use super::{Subject, resolve};
use crate::{
    dockerfile::Dockerfile,
    document::Fault,
    spec::{Component, Variable},
};

/// Checks the variables of every component, those of the app among them.
pub(super) fn check(subject: &Subject<'_>, faults: &mut Vec<Fault>) {
    for (pointer, component) in subject.app.components() {
        let dockerfile = match dockerfile(subject, component) {
            Ok(dockerfile) => dockerfile,
            Err(problem) => {
                faults.push(subject.fault(&format!("{pointer}/dockerfile_path"), problem));
                continue;
            }
        };
        let mut seen = HashSet::new();
        for (at, variable) in placed(subject, &pointer, component) {
            if at.starts_with(&pointer) && !seen.insert(&variable.key) {
                faults.push(subject.fault(&format!("{at}/key"), format!("{} is set twice", variable.key)));
            }
            check_one(subject, &at, variable, &dockerfile, faults);
        }
        check_all(subject, &pointer, component, faults);
    }
}

/// What the image of a component brings along.
pub(super) fn dockerfile(subject: &Subject<'_>, component: &Component) -> Result<Dockerfile, String> {
    let path =
        component.dockerfile_path.as_deref().ok_or("expected a dockerfile_path: buoy is built from its Dockerfile")?;
    Dockerfile::read(&subject.root.join(path)).map_err(|error| format!("{error:#}"))
}

/// The variables of a component with their pointers, its own after the app's.
fn placed<'a>(
    subject: &'a Subject<'_>,
    pointer: &str,
    component: &'a Component,
) -> impl Iterator<Item = (String, &'a Variable)> {
    let own = pointer.to_owned();
    let app = subject.app.envs.iter().enumerate().map(|(at, variable)| (format!("/envs/{at}"), variable));
    app.chain(component.envs.iter().enumerate().map(move |(at, variable)| (format!("{own}/envs/{at}"), variable)))
}

fn check_one(subject: &Subject<'_>, at: &str, variable: &Variable, dockerfile: &Dockerfile, faults: &mut Vec<Fault>) {
    let key = &variable.key;
    if variable.scope.is_none() {
        let problem = format!("{key} has no scope: expected RUN_TIME, or BUILD_TIME for an argument of the Dockerfile");
        faults.push(subject.fault(at, problem));
        return;
    }
    if variable.at_build_time() && !dockerfile.arguments.contains(key) {
        faults.push(subject.fault(&format!("{at}/key"), format!("the Dockerfile has no ARG {key}")));
    }
    if !variable.at_run_time() {
        return;
    }
    let known = variables().find(|known| known.name == key);
    match known {
        None => {
            let problem = format!("buoy reads no variable {key}; `buoy config` lists those that it reads");
            faults.push(subject.fault(&format!("{at}/key"), problem));
        }
        Some(known) if known.secret && variable.kind.as_deref() != Some("SECRET") && !is_bound(&variable.value) => {
            faults.push(subject.fault(at, format!("{key} is a secret: expected a binding, or type: SECRET")));
        }
        Some(_) => {}
    }
}

/// Whether a value is a binding and nothing else.
fn is_bound(value: &str) -> bool {
    value.starts_with("${") && value.ends_with('}') && value.matches("${").count() == 1
}

/// Lets buoy read the variables that it would find, and notes what it would refuse.
fn check_all(subject: &Subject<'_>, pointer: &str, component: &Component, faults: &mut Vec<Fault>) {
    if pointer.starts_with("/jobs")
        && component.run_command.is_none()
        && value(subject, component, "BUOY_COMMAND").is_none()
    {
        faults.push(subject.fault(pointer, "expected BUOY_COMMAND: without it the job would serve, and never end"));
    }
    let Err(problems) = config(subject, component) else { return };
    for (name, problem) in problems {
        let at =
            placed(subject, pointer, component).filter(|(_, variable)| variable.key == name).map(|(at, _)| at).last();
        let at = at.map_or_else(|| pointer.to_owned(), |at| format!("{at}/value"));
        faults.push(subject.fault(&at, format!("{name}: {problem}")));
    }
}

/// What buoy makes of a component's variables, with samples for what the platform fills in.
pub(super) fn config(subject: &Subject<'_>, component: &Component) -> Result<Config, Vec<(String, String)>> {
    let image = dockerfile(subject, component).unwrap_or_default().variables;
    let port = ("PORT".to_owned(), component.port().to_string());
    let set = placed(subject, "", component).filter(|(_, variable)| variable.at_run_time());
    let set = set.map(|(_, variable)| (variable.key.clone(), sampled(variable)));
    Config::from_vars(image.into_iter().chain([port]).chain(set)).map_err(|error| match error {
        ConfigError::Faults(all) => all.into_iter().map(|fault| (fault.variable, fault.problem)).collect(),
        other => vec![(String::new(), other.to_string())],
    })
}

/// A value as the program would see it.
fn sampled(variable: &Variable) -> String {
    if variable.is_sealed() {
        return "a-secret-that-is-long-enough-to-be-one-0123456789".to_owned();
    }
    resolve(&variable.value, |binding| {
        let sample = match binding.rsplit('.').next()? {
            "DATABASE_URL" => "postgresql://user:password@db.example.com:25060/defaultdb?sslmode=require",
            "CA_CERT" => include_str!("../../../tests/fixtures/authority.pem"),
            "APP_URL" | "PUBLIC_URL" => "https://buoy-abcde.ondigitalocean.app",
            "PRIVATE_URL" => "http://web:8080",
            "PORT" | "PRIVATE_PORT" => "25060",
            "COMMIT_HASH" => "0123456789abcdef0123456789abcdef01234567",
            _ => "sample",
        };
        Some(sample.to_owned())
    })
}

/// The last value that a component is given for a variable.
pub(super) fn value<'a>(subject: &'a Subject<'_>, component: &'a Component, key: &str) -> Option<&'a str> {
    let all = subject.app.envs.iter().chain(&component.envs);
    all.filter(|variable| variable.key == key && !variable.value.is_empty())
        .map(|variable| variable.value.as_str())
        .next_back()
}
