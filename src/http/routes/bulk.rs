//! `/users/bulk`, `/urls/bulk` and `/events/bulk`: CSV files as `buoy import` takes them, all or nothing.

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::urls::may_disable;
use crate::{
    http::{Error, extract::PublicBase, idempotency::Idempotency, openapi::IdempotencyKey, upload},
    import::{GeneratedCode, ImportError, Kind, Options, Report, Source, import},
    state::AppState,
};

/// Bad rows that an answer names at most.
const NAMED: usize = 100;

/// A multipart form with a CSV file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form, which `upload` reads")]
pub struct BulkForm {
    /// The CSV file, with a header.
    #[schema(value_type = String, format = Binary, content_media_type = "text/csv")]
    file: Vec<u8>,
}

/// The rows of a file that was imported.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkAnswer {
    /// Data rows of the file, those included that were there already.
    #[schema(example = 400)]
    imported: u64,
    /// The same.
    #[schema(example = 400)]
    count: u64,
    /// Rows that were created.
    #[schema(example = 398)]
    created: u64,
    /// The codes of links whose rows had none: the first thousand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    codes: Vec<GeneratedCode>,
}

/// Imports users.
///
/// Header `username,email`, optionally `id` and `created_at`. A user who is there already is found, not created again.
#[utoipa::path(
    post,
    path = "/users/bulk",
    tag = "users",
    params(IdempotencyKey),
    request_body(
        content = BulkForm,
        content_type = "multipart/form-data",
        example = json!({"file": "username,email\ntidyriver02,tidyriver02@relay.cloud\n"}),
    ),
    responses((status = 201, description = "All rows are in", body = BulkAnswer)),
)]
pub async fn import_users(
    state: State<AppState>,
    idempotency: Idempotency,
    request: Request,
) -> axum::response::Result<Response> {
    import_upload(state, idempotency, request, (Kind::Users, None)).await
}

/// Imports links.
///
/// Header `user_id,original_url`, optionally `id`, `short_code`, `title`, `is_active`, `created_at`, `updated_at` and
/// `disabled_reason`, the last for an administrator alone.
#[utoipa::path(
    post,
    path = "/urls/bulk",
    tag = "urls",
    params(IdempotencyKey),
    request_body(
        content = BulkForm,
        content_type = "multipart/form-data",
        example = json!({"file": "user_id,original_url\n1,https://opswise.net/urban/lagoon/1\n"}),
    ),
    responses((status = 201, description = "All rows are in", body = BulkAnswer)),
)]
pub async fn import_urls(
    state: State<AppState>,
    idempotency: Idempotency,
    base: PublicBase,
    request: Request,
) -> axum::response::Result<Response> {
    import_upload(state, idempotency, request, (Kind::Urls, Some(base))).await
}

/// Imports events.
///
/// Header `url_id,event_type`, optionally `id`, `user_id`, `timestamp` and `details`.
#[utoipa::path(
    post,
    path = "/events/bulk",
    tag = "events",
    params(IdempotencyKey),
    request_body(
        content = BulkForm,
        content_type = "multipart/form-data",
        example = json!({"file": "url_id,event_type,timestamp\n1,click,2026-01-14 12:49:03\n"}),
    ),
    responses((status = 201, description = "All rows are in", body = BulkAnswer)),
)]
pub async fn import_events(
    state: State<AppState>,
    idempotency: Idempotency,
    request: Request,
) -> axum::response::Result<Response> {
    import_upload(state, idempotency, request, (Kind::Events, None)).await
}

/// Imports the file of an upload. No link may lead to the host that the client asked, which `base` has.
async fn import_upload(
    State(app): State<AppState>,
    idempotency: Idempotency,
    request: Request,
    (kind, base): (Kind, Option<PublicBase>),
) -> axum::response::Result<Response> {
    let busy = || Error::unavailable("uploads_busy", "Other files are being taken in, please try again");
    let _turn = app.uploads.try_acquire().map_err(|_| busy())?;
    let mut file = upload::receive(request, app.settings.bulk_limit).await?;
    let options = Options {
        skip_bad: false,
        only: Some(kind),
        reserve_named: false,
        targets: app.settings.targets.clone(),
        asked: base.as_ref().and_then(PublicBase::authority).map(str::to_owned),
        may_disable: may_disable(idempotency.caller()),
        now: app.clock.now(),
    };
    let mut attempt = idempotency.begin(&app, &file).await?;
    let source = Source { name: file.name, bytes: None, content: Box::new(&mut file.content) };
    let report = import(attempt.tx().await?, vec![source], &options, &()).await;
    let answer = report.map(|report| {
        let rows = report.rows();
        BulkAnswer { imported: rows, count: rows, created: report.created(), codes: report.generated }
    });
    Ok(attempt.finish(answer).await?)
}

impl From<ImportError> for Error {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(error) => error.into(),
            ImportError::File { why, .. } => Self::invalid_field("file", why),
            ImportError::Refused(report) => refused(&report),
        }
    }
}

/// 422 that names the first bad rows by their lines.
fn refused(report: &Report) -> Error {
    let detail = format!("{} of {} rows were refused, so none was taken in", report.refused(), report.rows());
    let error = Error::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_rows", detail);
    report.bad_rows.iter().take(NAMED).fold(error, |error, row| {
        let field = if row.field.is_empty() { String::new() } else { format!("{}: ", row.field) };
        error.with_field(&format!("line {}", row.line), format!("{field}{}", row.why))
    })
}
