//! Secrets that stand in files, as container platforms mount them: `NAME_FILE` names the file that holds `NAME`.

use std::collections::HashMap;

use super::{ConfigError, source::Fault};

/// The variables whose value may stand in a file.
const SECRETS: [(&str, &str); 2] = [("ADMIN_TOKEN", "ADMIN_TOKEN_FILE"), ("DATABASE_URL", "DATABASE_URL_FILE")];

/// Reads the files that are named, and puts what they hold in the place of the variables. An empty file counts as a blank secret.
///
/// # Errors
/// [`ConfigError::SecretFile`] where a file cannot be read, [`ConfigError::Faults`] where a secret is given twice.
pub fn read_secret_files(variables: &mut HashMap<String, String>) -> Result<(), ConfigError> {
    for (name, file) in SECRETS {
        let Some(path) = variables.get(file).map(|path| path.trim()).filter(|path| path.starts_with('/')) else {
            // Unset, or no path: that shows where the variable itself is read.
            continue;
        };
        if variables.get(name).is_some_and(|value| !value.trim().is_empty()) {
            let problem = format!("expected {file} or {name}, got both");
            return Err(ConfigError::Faults(vec![Fault { variable: file, problem }]));
        }
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::SecretFile {
            variable: file,
            path: path.into(),
            cause,
        })?;
        variables.insert(name.to_owned(), text.trim().to_owned());
    }
    Ok(())
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
