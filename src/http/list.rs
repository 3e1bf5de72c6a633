//! Lists as answers: one page with its `Link`, or every row as a stream.
//!
//! A complete list is read in keyset chunks, each a query of its own: nothing is held in the database while the
//! client reads, and one chunk in memory. A failure on the way breaks the connection off; it never closes the array.

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;

use super::{
    Error,
    extract::ListQuery,
    limits::{in_progress, subject},
};
use crate::{
    db::StoreError,
    domain::{
        Cursor, Page, PageRequest,
        page::{MAX_COUNT, NO_CURSOR, PageStart, Sort, TOO_DEEP},
    },
    limits::exclusive::Held,
    state::AppState,
};

/// Rows that are read at a time for a complete list: at most, and first, before it is known how large they are.
const CHUNK: u32 = 1_000;
const FIRST_CHUNK: u32 = 32;
/// Bytes of JSON that one chunk of a complete list is to have.
const CHUNK_BYTES: usize = 64 << 10;
const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
/// Sent with a total that is more than [`MAX_COUNT`].
const CAPPED: HeaderName = HeaderName::from_static("x-total-count-capped");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The source of a list's rows.
pub trait Rows: Send + Sync + 'static {
    /// A row as it is answered.
    type Row: Serialize + Send + 'static;

    /// At most `limit` rows in the order of the list.
    fn fetch(&self, start: PageStart, limit: u32) -> impl Future<Output = Result<Vec<Self::Row>, StoreError>> + Send;

    /// How many rows there are, [`MAX_COUNT`] and one at most.
    fn count(&self) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// The start of the rows after this one.
    fn cursor(&self, row: &Self::Row) -> Cursor;

    /// The order of the list. A cursor is good for its key only.
    fn sort(&self) -> Sort {
        Sort::default()
    }
}

/// The permit for a list or count, of which a client has one.
#[derive(Debug)]
pub struct ListPermit {
    _held: Option<Held>,
}

impl FromRequestParts<AppState> for ListPermit {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Error> {
        let Some(client) = subject(app, &parts.extensions, &parts.headers) else { return Ok(Self { _held: None }) };
        app.listing.hold(client).await.map(|held| Self { _held: Some(held) }).ok_or_else(in_progress)
    }
}

/// Answers a list at `path`, as its query asks. The permit lasts until a complete list is sent.
pub async fn respond<R: Rows>(path: &str, query: &ListQuery, permit: ListPermit, rows: R) -> Result<Response, Error> {
    let count = match query.flag("count")? {
        Some(true) => Some(rows.count().await?),
        _ => None,
    };
    let page = query.page()?;
    if let PageRequest::One { start: PageStart::After(cursor), .. } = page
        && cursor.key != rows.sort().key
    {
        return Err(Error::invalid_field("cursor", NO_CURSOR));
    }
    let mut response = match page {
        PageRequest::All => complete(rows, permit).await?,
        PageRequest::One { start: PageStart::Offset(rows_before), per_page } if rows_before > MAX_COUNT.into() => {
            // Only the end of a short list is known without walking there.
            if rows.count().await? > MAX_COUNT.into() {
                return Err(Error::invalid_field("page", TOO_DEEP));
            }
            one_page(path, query, &Page::of(Vec::<R::Row>::new(), per_page, |row| rows.cursor(row)))?
        }
        PageRequest::One { start, per_page } => {
            let page = Page::of(rows.fetch(start, per_page + 1).await?, per_page, |row| rows.cursor(row));
            one_page(path, query, &page)?
        }
    };
    if let Some(count) = count {
        let most = i64::from(MAX_COUNT);
        response.headers_mut().insert(TOTAL_COUNT, HeaderValue::from(count.min(most)));
        if count > most {
            response.headers_mut().insert(CAPPED, HeaderValue::from_static("true"));
        }
    }
    Ok(response)
}

fn one_page<T: Serialize>(path: &str, query: &ListQuery, page: &Page<T>) -> Result<Response, Error> {
    let body = serde_json::to_vec(&page.rows).map_err(Error::internal)?;
    let mut links = vec![format!("<{}>; rel=\"first\"", address(path, query, None))];
    if let Some(next) = page.next {
        links.push(format!("<{}>; rel=\"next\"", address(path, query, Some(next))));
    }
    let link = HeaderValue::try_from(links.join(", ")).map_err(Error::internal)?;
    Ok(([(header::CONTENT_TYPE, JSON), (header::LINK, link)], body).into_response())
}

/// The address of another page of the same list.
fn address(path: &str, query: &ListQuery, cursor: Option<Cursor>) -> String {
    let mut parameters = url::form_urlencoded::Serializer::new(String::new());
    parameters.extend_pairs(query.without_position());
    match cursor {
        Some(cursor) => parameters.append_pair("cursor", &cursor.to_string()),
        None => parameters.append_pair("page", "1"),
    };
    format!("{path}?{}", parameters.finish())
}

async fn complete<R: Rows>(rows: R, permit: ListPermit) -> Result<Response, Error> {
    // The first chunk is read before the answer begins, so that a missing database is still a 503.
    let first = rows.fetch(PageStart::Offset(0), FIRST_CHUNK).await?;
    let held = move |_: &Result<Bytes, StreamError>| _ = &permit;
    let body = Body::from_stream(chunks(rows, first).inspect(held));
    Ok(([(header::CONTENT_TYPE, JSON)], body).into_response())
}

/// What is still to be sent of a complete list.
enum Rest<R: Rows> {
    /// The first rows, and what follows them.
    First { rows: R, chunk: Vec<R::Row> },
    /// So many of the next rows, from here on.
    After { rows: R, cursor: Cursor, limit: u32 },
    /// The end of the array.
    End,
    /// Nothing.
    Nothing,
}

fn chunks<R: Rows>(rows: R, first: Vec<R::Row>) -> impl Stream<Item = Result<Bytes, StreamError>> {
    let start = Rest::First { rows, chunk: first };
    stream::try_unfold(start, |rest| async move {
        let piece = next_piece(rest).await;
        piece.inspect_err(|error| tracing::error!(%error, "a complete list broke off"))
    })
}

async fn next_piece<R: Rows>(rest: Rest<R>) -> Result<Option<(Bytes, Rest<R>)>, StreamError> {
    match rest {
        Rest::First { rows, chunk } => send(rows, &chunk, FIRST_CHUNK, true).map(Some),
        Rest::After { rows, cursor, limit } => {
            let chunk = rows.fetch(PageStart::After(cursor), limit).await?;
            send(rows, &chunk, limit, false).map(Some)
        }
        Rest::End => Ok(Some((Bytes::from_static(b"]"), Rest::Nothing))),
        Rest::Nothing => Ok(None),
    }
}

/// A chunk of which `limit` rows were asked for, and what follows it. The next limit is the rows that fit
/// [`CHUNK_BYTES`], judged by this chunk's.
fn send<R: Rows>(rows: R, chunk: &[R::Row], limit: u32, is_first: bool) -> Result<(Bytes, Rest<R>), StreamError> {
    let mut text = Vec::new();
    for (i, row) in chunk.iter().enumerate() {
        text.push(if is_first && i == 0 { b'[' } else { b',' });
        serde_json::to_writer(&mut text, row)?;
    }
    if is_first && chunk.is_empty() {
        text.push(b'[');
    }
    let rest = match chunk.last() {
        Some(last) if chunk.len() == limit as usize => {
            let (cursor, row_bytes) = (rows.cursor(last), text.len().div_ceil(chunk.len()));
            let limit = u32::try_from(CHUNK_BYTES / row_bytes.max(1)).unwrap_or(CHUNK).clamp(1, CHUNK);
            Rest::After { rows, cursor, limit }
        }
        _ => Rest::End,
    };
    Ok((text.into(), rest))
}

/// Why a complete list broke off: logged here, since the answer has begun and its log line may be written already.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a row could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}
