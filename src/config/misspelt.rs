//! Variables that are no variables of buoy's, but look like one: a misspelt name would be ignored without a word.

use super::variables;

/// A variable that was given, and the one that was probably meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is no variable of buoy's and is ignored: {likely} was probably meant")]
pub struct Misspelt {
    /// The name that was given.
    pub name: String,
    /// The likely one.
    pub likely: &'static str,
}

/// The names among `given` that look like a variable that is not given. Short names have too many neighbours: PATH is no PORT.
pub fn misspelt<'a>(given: impl Iterator<Item = &'a str> + Clone) -> Vec<Misspelt> {
    let is_given = |name: &str| given.clone().any(|other| other == name);
    let missing: Vec<&'static str> = variables().map(|known| known.name).filter(|name| !is_given(name)).collect();
    let likely = |name: &str| {
        let name = name.to_ascii_uppercase();
        let near = missing.iter().map(|known| (strsim::osa_distance(&name, known), *known));
        near.filter(|(distance, known)| *distance <= tolerance(known)).min().map(|(_, known)| known)
    };
    let unknown = given.clone().filter(|name| variables().all(|known| known.name != *name));
    let found = unknown.filter_map(|name| Some(Misspelt { name: name.to_owned(), likely: likely(name)? }));
    let mut found: Vec<Misspelt> = found.collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Letters that may be wrong.
fn tolerance(known: &str) -> usize {
    match known.len() {
        0..=4 => 0,
        5..=8 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(given: &[&str]) -> Vec<(String, &'static str)> {
        misspelt(given.iter().copied()).into_iter().map(|found| (found.name, found.likely)).collect()
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
            assert_eq!(found(&["PATH", given]), [(given.to_owned(), likely)]);
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
        assert_eq!(found(&["DATABASE_URI"]), [("DATABASE_URI".to_owned(), "DATABASE_URL")]);
    }
}
