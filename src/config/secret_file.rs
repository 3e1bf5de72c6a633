//! Secrets that stand in files, as container platforms mount them: `NAME_FILE` names the file that holds the secret
//! `NAME`.

use std::collections::HashMap;

use super::{ConfigError, Variable, source::Fault, variables};

impl Variable {
    /// The variable that names a file which holds this one's value; only a secret has one.
    pub fn file(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.name))
    }
}

/// Reads the files that are named, and puts what they hold in the place of the variables. An empty file counts as a
/// blank secret.
///
/// # Errors
/// [`ConfigError::Faults`] with every file that cannot be read and every secret that is given twice.
pub fn read_secret_files(given: &mut HashMap<String, String>) -> Result<(), ConfigError> {
    let mut faults = Vec::new();
    for (variable, file) in variables().filter_map(|variable| Some((variable, variable.file()?))) {
        let Some(path) = given.get(&file).map(|path| path.trim()).filter(|path| !path.is_empty()) else { continue };
        if given.get(variable.name).is_some_and(|value| !value.trim().is_empty()) {
            let problem = format!("expected {file} or {}, got both", variable.name);
            faults.push(Fault { variable: file, problem });
            continue;
        }
        match std::fs::read_to_string(path) {
            Ok(text) => drop(given.insert(variable.name.to_owned(), text.trim().to_owned())),
            Err(cause) => faults.push(Fault { problem: format!("cannot read {path}: {cause}"), variable: file }),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(ConfigError::Faults(faults)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_file_stands_for_its_variable() {
        let folder = std::env::temp_dir().join(format!("buoy-secret-{:032x}", rand::random::<u128>()));
        std::fs::write(&folder, "hush-hush-hush\n").unwrap();
        let path = folder.to_str().unwrap();
        let mut read = variables(&[("ADMIN_TOKEN_FILE", path), ("ADMIN_TOKEN", " ")]);
        read_secret_files(&mut read).unwrap();
        assert_eq!(read["ADMIN_TOKEN"], "hush-hush-hush");

        let mut both = variables(&[("ADMIN_TOKEN_FILE", path), ("ADMIN_TOKEN", "another-one")]);
        let refused = read_secret_files(&mut both).unwrap_err().to_string();
        assert!(refused.contains("got both") && !refused.contains("another"), "{refused}");
        std::fs::remove_file(&folder).unwrap();
        assert!(read_secret_files(&mut variables(&[("ADMIN_TOKEN_FILE", path)])).is_err());
    }
}
