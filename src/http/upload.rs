//! The file of a multipart upload, spooled to a temporary file before anything is done with it.
//!
//! Promises: no transaction is open while a client still sends; the file is never whole in memory, bounded in size,
//! and digested on its way; so is the rest of the form. The temporary file has no name and is gone with the
//! [`Upload`].

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    extract::Request,
    http::{StatusCode, header},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use multer::{Field, Multipart};
use sha2::{Digest as _, Sha256};
use tokio::{
    fs::File,
    io::{AsyncSeekExt as _, AsyncWriteExt as _},
    task::spawn_blocking,
};

use super::{Error, extract, idempotency::Content};

/// The name of the field that holds the file.
const FILE: &str = "file";
/// Bytes of a form outside its file at most, those included that are read ahead of it.
const AROUND: u64 = 128 * 1024;

/// A file that has arrived.
#[derive(Debug)]
pub struct Upload {
    /// The name that messages call the file by, made harmless.
    pub name: String,
    /// Its content, from the start.
    pub content: File,
    digest: Vec<u8>,
}

impl Content for Upload {
    fn digest(&self) -> Vec<u8> {
        self.digest.clone()
    }
}

/// Receives the file of a multipart form, of at most `limit` bytes.
///
/// # Errors
/// 415 if the body is no multipart form, 422 if it has no file, 400 if it is malformed or breaks off, 413 if the file
/// or what is around it is too large, 503 if it cannot be kept.
pub async fn receive(request: Request, limit: u64) -> Result<Upload, Error> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = multer::parse_boundary(content_type.unwrap_or_default()).map_err(|_| {
        let detail = "The content type must be multipart/form-data, with a boundary";
        Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    })?;
    let around = Arc::new(AtomicU64::new(0));
    let body = bounded(request.into_body().into_data_stream(), Arc::clone(&around));
    let mut form = Multipart::new(body, boundary);
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        if field.name() == Some(FILE) {
            return spool(field, limit, &around).await;
        }
    }
    Err(Error::invalid_field(FILE, "is required, a CSV file"))
}

/// The body of a form, which breaks off if it has too many bytes that are not taken off `around` again.
fn bounded(
    body: impl Stream<Item = Result<Bytes, axum::Error>>,
    around: Arc<AtomicU64>,
) -> impl Stream<Item = Result<Bytes, io::Error>> {
    body.map(move |piece| {
        let piece = piece.map_err(io::Error::other)?;
        let bytes = piece.len() as u64;
        if around.fetch_add(bytes, Ordering::Relaxed) + bytes > AROUND {
            return Err(io::Error::other("it has too many bytes outside its file"));
        }
        Ok(piece)
    })
}

async fn spool(mut field: Field<'static>, limit: u64, around: &AtomicU64) -> Result<Upload, Error> {
    let file = spawn_blocking(tempfile::tempfile).await.map_err(Error::internal)?;
    let mut content = File::from_std(file.map_err(not_kept)?);
    let (mut digest, mut size) = (Sha256::new(), 0);
    while let Some(piece) = field.next().await {
        let piece = piece.map_err(malformed)?;
        let bytes = piece.len() as u64;
        around.fetch_sub(bytes, Ordering::Relaxed);
        size += bytes;
        if size > limit {
            return Err(extract::too_large(limit));
        }
        digest.update(&piece);
        content.write_all(&piece).await.map_err(not_kept)?;
    }
    content.flush().await.map_err(not_kept)?;
    content.rewind().await.map_err(not_kept)?;
    Ok(Upload { name: harmless(field.file_name()), content, digest: digest.finalize().to_vec() })
}

fn harmless(name: Option<&str>) -> String {
    let name = name.unwrap_or(FILE);
    let name: String = name.chars().filter(|c| c.is_alphanumeric() || "._- ".contains(*c)).take(64).collect();
    if name.is_empty() { FILE.to_owned() } else { name }
}

fn malformed(error: multer::Error) -> Error {
    extract::malformed(format!("the form cannot be read: {error}"))
}

fn not_kept(error: io::Error) -> Error {
    let detail = "The file cannot be kept while it arrives, please try again";
    Error::unavailable("upload_not_kept", detail).with_cause(format!("temporary file: {error}"))
}
