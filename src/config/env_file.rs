//! A file of variables that `--env-file` names: `NAME=value` lines as Compose and shells know them, parsed by dotenvy.

use std::path::Path;

use super::ConfigError;

/// Reads a file of variables, in its order. Put the process environment after them: a later pair wins.
///
/// # Errors
/// The file cannot be read, or a line is no assignment; all such lines are named, without what they hold.
pub fn read_env_file(path: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::EnvFile { path: path.to_owned(), cause })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let (mut pairs, mut faults) = (Vec::new(), Vec::new());
    for assignment in dotenvy::from_read_iter(text.as_bytes()) {
        match assignment {
            Ok(pair) => pairs.push(pair),
            Err(error) => {
                faults.push(format!("{}{}: expected NAME=value", path.display(), position(text, &error)));
            }
        }
    }
    if faults.is_empty() { Ok(pairs) } else { Err(ConfigError::EnvFileLines(faults)) }
}

/// `:line` of a faulty assignment. The library tells its text or its value, which may be a secret, and not its number.
fn position(text: &str, error: &dotenvy::Error) -> String {
    let dotenvy::Error::LineParse(assignment, _) = error else { return String::new() };
    let start = assignment.lines().next().unwrap_or_default();
    let is_start = |line: &str| line.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('#'));
    let line = text.lines().position(is_start).or_else(|| text.lines().position(|line| line.contains(start)));
    line.map_or_else(String::new, |line| format!(":{}", line + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, ConfigError> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        std::fs::write(file.path(), text).expect("it can be written");
        read_env_file(file.path())
    }

    #[test]
    fn the_usual_lines_are_taken() {
        let text = "\u{feff}# head\r\n\r\nPORT=8080 # comment\r\nexport HOST = '0.0.0.0'\r\n\
                    A=\"x \\\"y\\\" \\$z\" # end\r\nB=a#b\r\nC=\r\nD='$x'\r\nE=${PORT}1";
        let expected = [
            ("PORT", "8080"),
            ("HOST", "0.0.0.0"),
            ("A", "x \"y\" $z"),
            ("B", "a#b"),
            ("C", ""),
            ("D", "$x"),
            ("E", "80801"),
        ];
        let pairs = read(text).expect("every line is an assignment");
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn every_faulty_line_is_named_without_its_value() {
        let text = "A=1\nhush # why\n1B=hush\nD=\"hush\" hush\nC='hush\n";
        let message = read(text).expect_err("four lines are wrong").to_string();
        for line in [":2: ", ":3: ", ":4: ", ":5: "] {
            assert!(message.contains(line), "{message}");
        }
        assert!(!message.contains("hush"), "{message}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let message = read_env_file(Path::new("/nowhere/.env")).expect_err("there is none").to_string();
        assert!(message.contains("/nowhere/.env"), "{message}");
    }
}
