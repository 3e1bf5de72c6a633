//! The documentation: Swagger UI at `/docs`, and the OpenAPI document that it shows.
//!
//! Promises: no page frames it, and its scripts are its own; files are sent compressed, and a client that has one is told
//! so. Each file is made at its first request and shared by all answers: an answer that is not read costs no copy.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use crate::http::{Error, accept::accepts, middleware};

const DOCUMENT: &str = "openapi.json";
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // A new release is seen after five minutes; until then nothing is asked.
    (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    (header::VARY, HeaderValue::from_static("accept-encoding")),
];

/// The files of the documentation.
struct Documentation {
    document: OpenApi,
    config: Arc<Config<'static>>,
    /// Those that were asked for; there are no more than files.
    files: Mutex<HashMap<String, Arc<File>>>,
}

/// A file as it is sent.
struct File {
    kind: HeaderValue,
    etag: HeaderValue,
    packed: Bytes,
    /// For clients that take no gzip.
    plain: OnceLock<Bytes>,
}

/// The routes of the documentation.
pub fn router<S>(document: OpenApi) -> Router<S> {
    let config = Arc::new(Config::from(format!("/{DOCUMENT}")));
    let documentation = Arc::new(Documentation { document, config, files: Mutex::default() });
    let file = |name: &'static str| {
        move |State(documentation): State<Arc<Documentation>>, headers: HeaderMap| async move {
            documentation.answer(name.to_owned(), headers).await
        }
    };
    Router::new()
        .route("/docs", get(async || Redirect::to("/docs/")))
        .route("/docs/", get(file("index.html")))
        .route("/docs/{*file}", get(asset))
        .route("/openapi.json", get(file(DOCUMENT)))
        .with_state(documentation)
}

async fn asset(
    State(documentation): State<Arc<Documentation>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    documentation.answer(name, headers).await
}

impl Documentation {
    async fn answer(self: Arc<Self>, name: String, headers: HeaderMap) -> Result<Response, Error> {
        let is_packed = accepts(&headers, header::ACCEPT_ENCODING, "gzip");
        let known = headers.get(header::IF_NONE_MATCH).cloned();
        let found = spawn_blocking(move || {
            let file = self.file(&name)?;
            let body = if is_packed { file.packed.clone() } else { file.plain().map_err(Error::internal)? };
            Ok::<_, Error>((file, body))
        });
        let (file, body) = found.await.map_err(Error::internal)??;
        let is_known = known.is_some_and(|known| {
            known.as_bytes().split(|byte| *byte == b',').any(|tag| tag.trim_ascii() == file.etag.as_bytes())
        });
        let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
        let own = response.headers_mut();
        own.extend(HEADERS);
        own.insert(header::ETAG, file.etag.clone());
        if is_known {
            return Ok(response);
        }
        own.insert(header::CONTENT_TYPE, file.kind.clone());
        if is_packed {
            own.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(response)
    }

    /// The file of this name, made if this is its first request.
    fn file(&self, name: &str) -> Result<Arc<File>, Error> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(name) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(self.make(name)?);
        files.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn make(&self, name: &str) -> Result<File, Error> {
        if name == DOCUMENT {
            let text = serde_json::to_vec(&self.document).map_err(Error::internal)?;
            return File::of("application/json", pack(&text).map_err(Error::internal)?);
        }
        let found = utoipa_swagger_ui::serve(name, Arc::clone(&self.config)).map_err(Error::internal)?;
        let found = found.ok_or_else(middleware::unknown_route)?;
        let packed =
            if found.gzpipped { found.bytes.into_owned() } else { pack(&found.bytes).map_err(Error::internal)? };
        File::of(&found.content_type, packed)
    }
}

impl File {
    fn of(kind: &str, packed: Vec<u8>) -> Result<Self, Error> {
        // Weak: it is the same for both encodings.
        let etag = format!("W/\"{}\"", hex::encode(&Sha256::digest(&packed)[..8]));
        Ok(Self {
            kind: HeaderValue::try_from(kind).map_err(Error::internal)?,
            etag: HeaderValue::try_from(etag).map_err(Error::internal)?,
            packed: packed.into(),
            plain: OnceLock::new(),
        })
    }

    fn plain(&self) -> std::io::Result<Bytes> {
        if let Some(plain) = self.plain.get() {
            return Ok(plain.clone());
        }
        let mut plain = Vec::new();
        GzDecoder::new(&self.packed[..]).read_to_end(&mut plain)?;
        Ok(self.plain.get_or_init(|| plain.into()).clone())
    }
}

fn pack(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text)?;
    encoder.finish()
}
