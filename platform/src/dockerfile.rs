//! What a Dockerfile sets for the program in its image: variables, arguments of the build, ports.

use std::{collections::BTreeMap, collections::BTreeSet, path::Path};

use anyhow::Context as _;
use parse_dockerfile::Instruction;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// Variables of the last stage, from `ENV NAME=value …`.
    pub variables: BTreeMap<String, String>,
    /// Arguments that the build takes, in any stage.
    pub arguments: BTreeSet<String>,
    /// Ports that the last stage exposes.
    pub ports: BTreeSet<u16>,
}

impl Dockerfile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or parsed.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("cannot parse {}", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut found = Self::default();
        for instruction in parse_dockerfile::parse(text)?.instructions {
            match instruction {
                Instruction::From(_) => {
                    found.variables.clear();
                    found.ports.clear();
                }
                Instruction::Env(env) => {
                    let pairs = env.arguments.value.split_whitespace().filter_map(|word| word.split_once('='));
                    found
                        .variables
                        .extend(pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())));
                }
                Instruction::Arg(arg) => {
                    let names = arg.arguments.value.split_whitespace().filter_map(|word| word.split('=').next());
                    found.arguments.extend(names.map(str::to_owned));
                }
                Instruction::Expose(expose) => {
                    found.ports.extend(expose.arguments.iter().filter_map(|port| port.value.parse::<u16>().ok()));
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_counts() {
        let found = Dockerfile::parse(
            "ARG PROFILE=release\nFROM a AS build\nENV X=1\nARG COMMIT=unknown\nEXPOSE 1\nFROM b\n# ENV Y=2\n\
             ENV HOST=0.0.0.0 \\\n    PORT=\"8080\"\nEXPOSE 8080\n",
        )
        .expect("it is a Dockerfile");
        let variables =
            [("HOST", "0.0.0.0"), ("PORT", "8080")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found.variables, BTreeMap::from(variables));
        assert_eq!(found.arguments, BTreeSet::from(["COMMIT".to_owned(), "PROFILE".to_owned()]));
        assert_eq!(found.ports, BTreeSet::from([8080]));
    }
}
