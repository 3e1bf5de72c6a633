//! What is no fault, but probably not meant: a misspelt name would be ignored without a word.

use std::collections::HashMap;

use super::{database::unbound_certificate, variables};
use crate::domain::misspelt;

/// What an operator should know of the given variables, each as a sentence.
pub fn warnings(given: &HashMap<String, String>) -> Vec<String> {
    let names = given.keys().map(String::as_str);
    let mut warnings: Vec<String> = misspellings(names)
        .into_iter()
        .map(|(name, likely)| format!("{name} is no variable of buoy's and is ignored: {likely} was probably meant"))
        .collect();
    warnings.sort();
    if let Some(name) = unbound_certificate(given.get("DATABASE_CA_CERT").map(String::as_str)) {
        warnings.push(format!(
            "DATABASE_CA_CERT holds the literal {name}, which counts as unset: name a database that has a \
             certificate, or leave \
             the variable out"
        ));
    }
    warnings
}

/// The names among `given` that look like a variable that is not given, with that variable.
fn misspellings<'a>(given: impl Iterator<Item = &'a str> + Clone) -> Vec<(&'a str, &'static str)> {
    let is_given = |name: &str| given.clone().any(|other| other == name);
    let missing: Vec<&'static str> = variables().map(|known| known.name).filter(|name| !is_given(name)).collect();
    let unknown = given.clone().filter(|name| variables().all(|known| known.name != *name));
    unknown.filter_map(|name| Some((name, misspelt(name, missing.iter().copied())?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(given: &[&'a str]) -> Vec<(&'a str, &'static str)> {
        misspellings(given.iter().copied())
    }

    #[test]
    fn a_misspelt_variable_is_told_from_others() {
        for (given, likely) in [
            ("DATABSE_URL", "DATABASE_URL"),
            ("LIMTS", "LIMITS"),
            ("ADMIN_TOEKN", "ADMIN_TOKEN"),
            ("database_url", "DATABASE_URL"),
            ("LOGLEVEL", "LOG_LEVEL"),
        ] {
            assert_eq!(found(&["PATH", given]), [(given, likely)]);
        }
    }

    #[test]
    fn the_usual_environment_is_no_misspelling() {
        let usual = [
            "PATH",
            "HOME",
            "HOST",
            "HOSTNAME",
            "USER",
            "SHELL",
            "TERM",
            "LANG",
            "PWD",
            "OLDPWD",
            "SHLVL",
            "LOGNAME",
            "MAIL",
            "EDITOR",
            "DISPLAY",
            "TMPDIR",
            "TZ",
            "RUST_LOG",
            "RUST_BACKTRACE",
            "TOKIO_WORKER_THREADS",
            "BUOY_PORT",
            "BUOY_IMAGE",
            "BUOY_VERSION",
            "POSTGRES_PASSWORD",
            "PGHOST",
            "PGPORT",
            "NO_COLOR",
            "KUBERNETES_PORT",
            "APP_URL",
        ];
        assert_eq!(found(&usual), []);
    }

    #[test]
    fn what_is_given_was_not_meant() {
        assert_eq!(found(&["DATABASE_URI", "DATABASE_URL"]), []);
        assert_eq!(found(&["DATABASE_URI"]), [("DATABASE_URI", "DATABASE_URL")]);
    }
}
