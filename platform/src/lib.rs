//! What buoy's deployment on App Platform is held to, before the platform sees it.
//!
//! `check` reads app specs and says with file and line what the platform, or buoy on it, would not bear. `rehearse`
//! does in local containers what the platform would do with the spec, under load, and counts what visitors noticed of
//! it.
//!
//! What is known of the platform stands in [`sizes`], in [`spec`] (its defaults) and in `.do/do-app-spec.schema.json`.

pub mod check;
pub mod dockerfile;
pub mod document;
pub mod rehearse;
pub mod schema;
pub mod sizes;
pub mod spec;
