//! The file of a multipart upload as a stream: never whole in memory, counted against a limit, and digested on its way.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    http::{StatusCode, header},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use multer::{Field, Multipart};
use sha2::{Digest as _, Sha256};

use super::{Error, extract, idempotency::Content};

/// The name of the field that holds the file.
const FILE: &str = "file";

/// A file on its way in.
pub struct Upload {
    field: Field<'static>,
    digest: Sha256,
    left: u64,
    failure: Option<Error>,
    limit: u64,
}

/// Reads the head of a multipart body.
///
/// # Errors
/// 415 where the body is no multipart form.
pub fn multipart(request: Request) -> Result<Multipart<'static>, Error> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = multer::parse_boundary(content_type.unwrap_or_default()).map_err(|_| {
        let detail = "The content type must be multipart/form-data, with a boundary";
        Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    })?;
    Ok(Multipart::new(request.into_body().into_data_stream(), boundary))
}

/// The file of a multipart form.
///
/// # Errors
/// 422 where there is none, 400 where the form is malformed.
pub async fn file(form: &mut Multipart<'static>, limit: u64) -> Result<Upload, Error> {
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        if field.name() == Some(FILE) {
            return Ok(Upload { field, digest: Sha256::new(), left: limit, failure: None, limit });
        }
    }
    Err(Error::invalid_field(FILE, "is required, a CSV file"))
}

fn malformed(error: multer::Error) -> Error {
    extract::malformed(format!("the form cannot be read: {error}"))
}

impl Upload {
    /// The name that messages call the file by, made harmless.
    pub fn name(&self) -> String {
        let name = self.field.file_name().unwrap_or(FILE);
        let name: String = name.chars().filter(|c| c.is_alphanumeric() || "._- ".contains(*c)).take(64).collect();
        if name.is_empty() { FILE.to_owned() } else { name }
    }

    /// Why reading broke off, where it did.
    pub fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    fn fail(&mut self, error: Error) -> io::Error {
        self.failure = Some(error);
        io::Error::other("the upload broke off")
    }
}

impl Stream for Upload {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let next = std::task::ready!(self.field.poll_next_unpin(context));
        Poll::Ready(next.map(|chunk| {
            let chunk = chunk.map_err(|error| self.fail(malformed(error)))?;
            let Some(left) = self.left.checked_sub(chunk.len() as u64) else {
                let limit = self.limit;
                return Err(self.fail(extract::too_large(limit)));
            };
            self.left = left;
            self.digest.update(&chunk);
            Ok(chunk)
        }))
    }
}

impl Content for Upload {
    async fn digest(&mut self) -> Result<Vec<u8>, Error> {
        while let Some(chunk) = self.next().await {
            if let Err(error) = chunk {
                return Err(self.failure().unwrap_or_else(|| Error::internal(error)));
            }
        }
        Ok(self.digest.clone().finalize().to_vec())
    }
}
