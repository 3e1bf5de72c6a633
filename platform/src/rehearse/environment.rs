//! The variables of a container: the spec's, with bindings replaced as the platform replaces them.

use std::collections::BTreeMap;

use super::{database::Database, versions::Version};
use crate::{
    check::resolve,
    spec::{App, Component},
};

/// A secret that the spec leaves to be filled in; long, so that it is taken for one.
pub(super) const SECRET: &str = "rehearsal-secret-0123456789abcdef0123456789abcdef";

/// What bindings are replaced with.
pub(super) struct Bindings<'a> {
    pub(super) app: &'a App,
    pub(super) database: &'a Database,
    /// The address at which visitors reach the app.
    pub(super) url: String,
}

impl Bindings<'_> {
    /// The variables of a component that runs a version: the app's, then its own, then PORT.
    pub(super) fn variables(&self, component: &Component, version: &Version) -> BTreeMap<String, String> {
        let set = self.app.envs.iter().chain(&component.envs).filter(|variable| variable.at_run_time());
        let mut variables: BTreeMap<String, String> = set
            .map(|variable| {
                let value = if variable.is_sealed() { SECRET.to_owned() } else { self.value(&variable.value, version) };
                (variable.key.clone(), value)
            })
            .collect();
        variables.insert("PORT".to_owned(), component.port().to_string());
        variables
    }

    fn value(&self, value: &str, version: &Version) -> String {
        resolve(value, |binding| match binding.split_once('.') {
            None if binding == "APP_URL" => Some(self.url.clone()),
            None if binding == "APP_DOMAIN" => Some("127.0.0.1".to_owned()),
            None if binding == "APP_ID" => Some("rehearsal".to_owned()),
            Some(("_self", "COMMIT_HASH")) => Some(version.commit.clone()),
            Some(("_self", "PUBLIC_URL")) => Some(self.url.clone()),
            Some((name, attribute)) if self.app.databases.iter().any(|database| database.name == name) => {
                self.database.binding(attribute)
            }
            _ => None,
        })
    }
}
