//! The certificate of the authority that signed the database's own.
//!
//! Only its outer form is checked here, so that text which is no certificate stops the start instead of looking like a database
//! that cannot be reached.

use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::{form::Form, source::placeholder};

/// What `DATABASE_CA_CERT` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaCert {
    /// One certificate or more, as PEM text.
    Pem(String),
    /// The name of a binding that the platform did not replace: App Platform leaves it so for a database that has no certificate
    /// of its own. It counts as unset where no verification was asked for.
    Placeholder(String),
}

impl CaCert {
    /// What a certificate must look like.
    pub(super) fn form() -> Form<Self> {
        Form::new(
            "the PEM text of a certificate, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----",
            |text| {
                if placeholder(text) == Some(text) {
                    return Some(Self::Placeholder(text.to_owned()));
                }
                // Some tools keep a variable on one line.
                let text = text.replace("\\n", "\n");
                let certificates: Result<Vec<CertificateDer<'_>>, _> =
                    CertificateDer::pem_slice_iter(text.as_bytes()).collect();
                let sound = certificates.is_ok_and(|list| !list.is_empty() && list.iter().all(|one| !one.is_empty()));
                sound.then_some(Self::Pem(text))
            },
        )
        .with_placeholders()
        // A refused one may be a private key.
        .hiding(|certificate| match certificate {
            Self::Pem(text) | Self::Placeholder(text) => text.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = include_str!("../../tests/fixtures/authority.pem");

    #[test]
    fn text_is_a_certificate_or_it_is_refused() {
        let read = |text: &str| CaCert::form().read(text);
        assert_eq!(read(PEM), Ok(CaCert::Pem(PEM.to_owned())));
        assert_eq!(read(&PEM.trim().replace('\n', "\\n")), Ok(CaCert::Pem(PEM.trim().to_owned())));
        assert_eq!(read("${db.CA_CERT}"), Ok(CaCert::Placeholder("${db.CA_CERT}".to_owned())));
        let cut = &PEM[..PEM.len() / 2];
        let key = PEM.replace("CERTIFICATE", "PUBLIC KEY");
        for bad in [
            "",
            "certificate",
            "/etc/ssl/ca.pem",
            cut,
            key.as_str(),
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        ] {
            assert_eq!(read(bad), Err(None), "{bad}");
        }
    }
}
