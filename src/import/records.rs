//! What a row of each kind holds.

use std::future::Future;

use super::{
    row::{Bad, Row},
    values::{flag, time},
};
use crate::{
    domain::{Details, EmailAddress, EventType, ShortCode, TargetUrl, Title, UserId, Username, clock::Timestamp},
    store::{
        StoreError,
        bulk::{Bulk, BulkCode, BulkEvent, BulkUrl, BulkUser, Outcome},
    },
};

/// A kind of row.
pub(super) trait Record: Sized + Send + Sync {
    /// Reads a row.
    fn read(row: &Row<'_>, now: Timestamp) -> Result<Self, Bad>;

    /// What the store must know of a row that cannot be read.
    fn left_out(_row: &Row<'_>) -> Option<Self> {
        None
    }

    /// Stores a chunk.
    fn store(bulk: &mut Bulk<'_>, rows: &[Self]) -> impl Future<Output = Result<Outcome, StoreError>> + Send;
}

impl Record for BulkUser {
    fn read(row: &Row<'_>, now: Timestamp) -> Result<Self, Bad> {
        Ok(Self::Row {
            id: row.id()?,
            username: row.required("username", Username::parse)?,
            email: row.required("email", EmailAddress::parse)?,
            created_at: row.optional("created_at", time)?.unwrap_or(now),
        })
    }

    fn left_out(row: &Row<'_>) -> Option<Self> {
        row.id::<UserId>().ok().flatten().map(Self::LeftOut)
    }

    async fn store(bulk: &mut Bulk<'_>, rows: &[Self]) -> Result<Outcome, StoreError> {
        bulk.users(rows).await
    }
}

impl Record for BulkCode {
    fn read(row: &Row<'_>, _now: Timestamp) -> Result<Self, Bad> {
        Ok(Self {
            short_code: row.required("short_code", ShortCode::parse)?,
            retired_at: row.required("retired_at", time)?,
        })
    }

    async fn store(bulk: &mut Bulk<'_>, rows: &[Self]) -> Result<Outcome, StoreError> {
        bulk.codes(rows).await
    }
}

impl Record for BulkUrl {
    fn read(row: &Row<'_>, now: Timestamp) -> Result<Self, Bad> {
        let created_at = row.optional("created_at", time)?.unwrap_or(now);
        Ok(Self {
            id: row.id()?,
            user_id: row.required("user_id", str::parse)?,
            short_code: row.optional("short_code", ShortCode::parse)?,
            original_url: row.required("original_url", TargetUrl::parse)?,
            title: row.optional("title", Title::parse)?,
            is_active: row.optional("is_active", flag)?.unwrap_or(true),
            created_at,
            updated_at: row.optional("updated_at", time)?.unwrap_or(created_at),
        })
    }

    async fn store(bulk: &mut Bulk<'_>, rows: &[Self]) -> Result<Outcome, StoreError> {
        bulk.urls(rows).await
    }
}

impl Record for BulkEvent {
    fn read(row: &Row<'_>, now: Timestamp) -> Result<Self, Bad> {
        Ok(Self {
            id: row.id()?,
            url_id: row.required("url_id", str::parse)?,
            user_id: row.optional("user_id", str::parse)?,
            event_type: row.required("event_type", EventType::parse)?,
            timestamp: row.optional("timestamp", time)?.unwrap_or(now),
            details: row.optional("details", Details::parse)?.unwrap_or_else(Details::none),
        })
    }

    async fn store(bulk: &mut Bulk<'_>, rows: &[Self]) -> Result<Outcome, StoreError> {
        bulk.events(rows).await
    }
}
