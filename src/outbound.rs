//! Requests that this program makes itself: pages that links lead to, asked for their titles, and the health check.
//!
//! Promises: one way to encrypt, with root certificates that are part of the program, so that no file of the system
//! is needed; no proxy of the environment; redirects are not followed by the client. Whatever a link names is only
//! asked through `guard`.

mod guard;
mod html;
pub mod titles;

use std::sync::{Arc, LazyLock};

use reqwest::{ClientBuilder, redirect::Policy};
use rustls::{ClientConfig, RootCertStore, crypto::ring};

pub use self::titles::{TitleCounts, TitleWorker, Titles};

/// TLS 1.2 and 1.3 by ring, with the authorities that browsers trust.
static TLS: LazyLock<ClientConfig> = LazyLock::new(|| {
    let authorities = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has ciphers for both versions")
        .with_root_certificates(authorities)
        .with_no_client_auth()
});

/// A client that takes nothing from its surroundings and follows no redirect. A client made otherwise panics, since
/// reqwest is built without a provider of cryptography of its own.
pub fn client() -> ClientBuilder {
    // Said in words, since another crate of the workspace may have switched a decoder on: what is measured on its way
    // in is then what was sent.
    let plain = ClientBuilder::new().no_gzip().no_brotli().no_deflate().no_zstd();
    plain.tls_backend_preconfigured(TLS.clone()).no_proxy().redirect(Policy::none())
}
