//! What a Dockerfile sets for the program in its image: variables, arguments of the build, ports.
//!
//! Only what buoy's own Dockerfile uses is understood: `ENV NAME=value …`, `ARG NAME[=value]`, `EXPOSE port`, each with
//! continued lines. Variables and ports are those of the last stage.

use std::{collections::BTreeMap, collections::BTreeSet, path::Path};

use anyhow::Context as _;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// Variables of the image.
    pub variables: BTreeMap<String, String>,
    /// Arguments that the build takes, in any stage.
    pub arguments: BTreeSet<String>,
    /// Ports that the image names.
    pub ports: BTreeSet<u16>,
}

impl Dockerfile {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in instructions(text) {
            let (instruction, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
            match instruction.to_ascii_uppercase().as_str() {
                "FROM" => {
                    found.variables.clear();
                    found.ports.clear();
                }
                "ENV" => found.variables.extend(rest.split_whitespace().filter_map(pair)),
                "ARG" => found.arguments.extend(rest.split_whitespace().map(name)),
                "EXPOSE" => found.ports.extend(rest.split_whitespace().filter_map(|port| port.parse::<u16>().ok())),
                _ => {}
            }
        }
        found
    }
}

/// Instructions, each on one line, comments left out.
fn instructions(text: &str) -> Vec<String> {
    let (mut all, mut current) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        match line.strip_suffix('\\') {
            Some(part) => {
                current.push_str(part);
                current.push(' ');
            }
            None => {
                current.push_str(line);
                all.push(std::mem::take(&mut current));
            }
        }
    }
    all.into_iter().filter(|line| !line.is_empty()).collect()
}

fn pair(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    Some((name.to_owned(), value.trim_matches('"').to_owned()))
}

fn name(word: &str) -> String {
    word.split('=').next().unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_counts() {
        let found = Dockerfile::parse(
            "FROM a AS build\nENV X=1\nARG COMMIT=unknown\nEXPOSE 1\nFROM b\n# ENV Y=2\nENV HOST=0.0.0.0 \\\n    PORT=\"8080\"\nEXPOSE 8080\n",
        );
        let variables =
            [("HOST", "0.0.0.0"), ("PORT", "8080")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found.variables, BTreeMap::from(variables));
        assert_eq!(found.arguments, BTreeSet::from(["COMMIT".to_owned()]));
        assert_eq!(found.ports, BTreeSet::from([8080]));
    }
}
