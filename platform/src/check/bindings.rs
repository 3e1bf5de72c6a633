//! Bindings: `${db.DATABASE_URL}` and the like, which the platform replaces, and which the program sees as they stand
//! if it cannot.

use std::collections::HashSet;

use super::Subject;
use crate::{document::Fault, spec::Variable};

const OF_THE_APP: &[&str] = &["APP_URL", "APP_DOMAIN", "APP_ID"];
const OF_A_COMPONENT: &[&str] = &["COMMIT_HASH", "PUBLIC_URL", "PRIVATE_URL", "PRIVATE_DOMAIN", "PRIVATE_PORT"];
const OF_A_DATABASE: &[&str] = &["HOSTNAME", "PORT", "USERNAME", "PASSWORD", "DATABASE", "DATABASE_URL", "CA_CERT"];

/// Names that are there, each once, and bindings that lead to them at a time when they exist.
pub(super) fn check(subject: &Subject<'_>, faults: &mut Vec<Fault>) {
    let mut names = HashSet::new();
    let databases = subject.app.databases.iter().enumerate().map(|(at, it)| (format!("/databases/{at}"), &it.name));
    let components = subject.app.components().map(|(pointer, component)| (pointer, &component.name));
    for (pointer, name) in components.chain(databases) {
        if !names.insert(name) {
            faults.push(
                subject.fault(&format!("{pointer}/name"), format!("the name {name} is taken by another component")),
            );
        }
    }
    check_variables(subject, "", &subject.app.envs, faults);
    for (pointer, component) in subject.app.components() {
        check_variables(subject, &pointer, &component.envs, faults);
    }
    for (at, rule) in subject.app.ingress.rules.iter().enumerate() {
        let Some(target) = &rule.component else { continue };
        if !subject.app.services.iter().any(|service| service.name == target.name) {
            let pointer = format!("/ingress/rules/{at}/component/name");
            faults.push(subject.fault(&pointer, format!("no service is called {}", target.name)));
        }
    }
}

fn check_variables(subject: &Subject<'_>, owner: &str, variables: &[Variable], faults: &mut Vec<Fault>) {
    for (at, variable) in variables.iter().enumerate() {
        let pointer = format!("{owner}/envs/{at}/value");
        for binding in found(&variable.value) {
            if let Err(problem) = binding.and_then(|binding| known(subject, binding, variable)) {
                faults.push(subject.fault(&pointer, problem));
            }
        }
    }
}

/// Whether a binding leads somewhere.
fn known(subject: &Subject<'_>, binding: &str, variable: &Variable) -> Result<(), String> {
    let Some((owner, attribute)) = binding.split_once('.') else {
        return listed(binding, binding, OF_THE_APP);
    };
    let is_database = subject.app.databases.iter().any(|database| database.name == owner);
    if is_database {
        if variable.at_build_time() {
            return Err(format!("${{{binding}}} exists at run time only: expected scope: RUN_TIME"));
        }
        return match attribute.split_once('.') {
            Some((_, of_a_pool)) => listed(binding, of_a_pool, &["DATABASE_URL"]),
            None => listed(binding, attribute, OF_A_DATABASE),
        };
    }
    if owner == "_self" || subject.app.components().any(|(_, component)| component.name == owner) {
        return listed(binding, attribute, OF_A_COMPONENT);
    }
    Err(format!("${{{binding}}} is bound to {owner:?}, and there is no component or database of that name"))
}

fn listed(binding: &str, attribute: &str, known: &[&str]) -> Result<(), String> {
    if known.contains(&attribute) {
        return Ok(());
    }
    Err(format!("${{{binding}}} is no binding: expected one of {}", known.join(", ")))
}

/// The bindings in a value, or what is wrong with its braces.
fn found(value: &str) -> Vec<Result<&str, String>> {
    let mut rest = value;
    let mut all = Vec::new();
    while let Some(start) = rest.find("${") {
        let inner = &rest[start + 2..];
        match inner.find('}') {
            Some(end) => {
                all.push(Ok(&inner[..end]));
                rest = &inner[end + 1..];
            }
            None => {
                all.push(Err(format!("{value:?} opens a binding that it does not close")));
                break;
            }
        }
    }
    all
}

/// A value with its bindings replaced. If `lookup` has no value, the text stays as it is, as on the platform.
pub fn resolve(value: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let (mut done, mut rest) = (String::new(), value);
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let binding = &rest[start + 2..start + length];
        done.push_str(&rest[..start]);
        done.push_str(&lookup(binding).unwrap_or_else(|| format!("${{{binding}}}")));
        rest = &rest[start + length + 1..];
    }
    done + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_stays() {
        let lookup = |name: &str| (name == "db.PORT").then(|| "5432".to_owned());
        assert_eq!(resolve("a:${db.PORT}/${x.Y}${", lookup), "a:5432/${x.Y}${");
    }
}
