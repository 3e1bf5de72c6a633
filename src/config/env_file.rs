//! A file of variables, as Compose and shells know it: `NAME=value` lines, read only where `--env-file` names it.
//!
//! Taken: blank lines, `#` comments (after a value too, with a blank before them), an `export` in front, 'single quotes' for text
//! as it stands, "double quotes" with `\n`, `\"`, `\\` and `\$`. Not taken: values over several lines, and `${OTHER}`, which stays as it is.

use std::path::Path;

use super::ConfigError;

/// Reads a file of variables, in its order. Put the process environment after them: a later pair wins.
///
/// # Errors
/// Where the file cannot be read, or a line is no assignment; all such lines are named, without what they hold.
pub fn read_env_file(path: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::EnvFile { path: path.to_owned(), cause })?;
    let (pairs, faults) = parse(&text);
    if faults.is_empty() {
        return Ok(pairs);
    }
    let lines = faults.iter().map(|(line, problem)| format!("{}:{line}: {problem}", path.display())).collect();
    Err(ConfigError::EnvFileLines(lines))
}

type Pairs = Vec<(String, String)>;

/// The assignments of a text, and its faulty lines by number.
fn parse(text: &str) -> (Pairs, Vec<(usize, &'static str)>) {
    let (mut pairs, mut faults) = (Vec::new(), Vec::new());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()) {
        match assignment(line.trim()) {
            Ok(Some(pair)) => pairs.push(pair),
            Ok(None) => {}
            Err(problem) => faults.push((number, problem)),
        }
    }
    (pairs, faults)
}

/// The name and value of one line; nothing for a blank line or a comment.
fn assignment(line: &str) -> Result<Option<(String, String)>, &'static str> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("expected NAME=value")?;
    let name = name.trim();
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !letters || name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err("expected a name of letters, digits and underscores before the =");
    }
    let value = value.trim();
    let value = match value.chars().next() {
        Some('\'') => single_quoted(&value[1..])?,
        Some('"') => double_quoted(&value[1..])?,
        _ => bare(value).to_owned(),
    };
    Ok(Some((name.to_owned(), value)))
}

/// A value without quotes ends where a comment begins.
fn bare(value: &str) -> &str {
    let comment = value.match_indices('#').find(|(at, _)| *at == 0 || value[..*at].ends_with([' ', '\t']));
    comment.map_or(value, |(at, _)| value[..at].trim_end())
}

fn single_quoted(rest: &str) -> Result<String, &'static str> {
    let (value, after) = rest.split_once('\'').ok_or("expected a closing ' on the same line")?;
    nothing_but_comment(after)?;
    Ok(value.to_owned())
}

fn double_quoted(rest: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next().ok_or("expected a closing \" on the same line")? {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(escaped @ ('"' | '\\' | '$')) => value.push(escaped),
                _ => return Err("expected n, \", \\ or $ after a backslash in double quotes"),
            },
            plain => value.push(plain),
        }
    }
    nothing_but_comment(chars.as_str())?;
    Ok(value)
}

fn nothing_but_comment(after: &str) -> Result<(), &'static str> {
    let after = after.trim_start();
    if after.is_empty() || after.starts_with('#') { Ok(()) } else { Err("expected nothing after the closing quote") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_usual_lines_are_taken() {
        let text = "\u{feff}# head\r\n\r\nPORT=8080 # comment\r\nexport HOST = '0.0.0.0'\r\nA=\"x \\\"y\\\" \\$z\" # end\r\nB=a#b\r\nC=\r\nD=#no\r\nE=${X}\r\n";
        let (pairs, faults) = parse(text);
        assert!(faults.is_empty(), "{faults:?}");
        let expected = [
            ("PORT", "8080"),
            ("HOST", "0.0.0.0"),
            ("A", "x \"y\" $z"),
            ("B", "a#b"),
            ("C", ""),
            ("D", ""),
            ("E", "${X}"),
        ];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn every_faulty_line_is_named_without_its_value() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        std::fs::write(file.path(), "A=1\nhush\n1B=hush\nC='hush\nD=\"hush\" hush\n").expect("it can be written");
        let message = read_env_file(file.path()).expect_err("four lines are wrong").to_string();
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

    proptest! {
        #[test]
        fn a_quoted_value_comes_back_as_it_was(value in "[^\r\n]*", other in "\\PC*") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(parse(&format!("A=\"{escaped}\"")).0, vec![("A".to_owned(), value)]);
            let _ = parse(&other);
        }
    }
}
