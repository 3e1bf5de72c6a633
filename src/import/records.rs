//! What a row of each kind holds.

use std::future::Future;

use super::{
    Options,
    row::{Bad, Row},
    values::{flag, time},
};
use crate::{
    db::StoreError,
    domain::{
        Details, Dimension, DisabledReason, EmailAddress, EventId, EventType, Invalid, ShortCode, TargetUrl, Title,
        UrlId, UserId, Username,
        ids::MAX_ID,
        rollup::{day_of, slot_of},
    },
    stats::exported::{ExportedRollup, RollupKind},
    store::bulk::{Bulk, BulkCode, BulkEvent, BulkUrl, BulkUser, Outcome},
};

const NO_SUBJECT: Invalid = Invalid("must be a link's id, minus a user's, or 0 for all");
const NO_COUNT: Invalid = Invalid("must be an integer from 0 on");
/// Characters of a day without a time.
const DAY: usize = "YYYY-MM-DD".len();

/// A kind of row.
pub(super) trait Record: Sized + Send + Sync {
    /// Reads a row.
    fn read(row: &Row<'_>, options: &Options) -> Result<Self, Bad>;

    /// What the store must know of a row that cannot be read.
    fn left_out(_row: &Row<'_>) -> Option<Self> {
        None
    }

    /// Stores a chunk.
    fn store(bulk: &mut Bulk<'_>, rows: &[Self]) -> impl Future<Output = Result<Outcome, StoreError>> + Send;
}

impl Record for BulkUser {
    fn read(row: &Row<'_>, options: &Options) -> Result<Self, Bad> {
        Ok(Self::Row {
            id: row.optional("id", UserId::given)?,
            username: row.required("username", Username::parse)?,
            email: row.required("email", EmailAddress::parse)?,
            created_at: row.optional("created_at", time)?.unwrap_or(options.now),
        })
    }

    fn left_out(row: &Row<'_>) -> Option<Self> {
        row.optional("id", UserId::given).ok().flatten().map(Self::LeftOut)
    }

    async fn store(bulk: &mut Bulk<'_>, rows: &[Self]) -> Result<Outcome, StoreError> {
        bulk.users(rows).await
    }
}

impl Record for BulkCode {
    fn read(row: &Row<'_>, _options: &Options) -> Result<Self, Bad> {
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
    fn read(row: &Row<'_>, options: &Options) -> Result<Self, Bad> {
        let created_at = row.optional("created_at", time)?.unwrap_or(options.now);
        Ok(Self {
            id: row.optional("id", UrlId::given)?,
            user_id: row.required("user_id", str::parse)?,
            short_code: row.optional("short_code", ShortCode::parse)?,
            original_url: row.required("original_url", |text| target(text, options))?,
            title: row.optional("title", Title::parse)?,
            is_active: row.optional("is_active", flag)?.unwrap_or(true),
            created_at,
            updated_at: row.optional("updated_at", time)?.unwrap_or(created_at),
            disabled_reason: row.optional("disabled_reason", |text| disabled_reason(text, options))?,
        })
    }

    async fn store(bulk: &mut Bulk<'_>, rows: &[Self]) -> Result<Outcome, StoreError> {
        bulk.urls(rows).await
    }
}

/// A target that links may have here.
fn target(text: &str, options: &Options) -> Result<TargetUrl, Invalid> {
    let target = TargetUrl::parse(text)?;
    options.targets.check_asked(&target, options.asked.as_deref()).map(|()| target)
}

fn disabled_reason(text: &str, options: &Options) -> Result<DisabledReason, Invalid> {
    if options.may_disable { DisabledReason::parse(text) } else { Err(Invalid("may be set by an administrator alone")) }
}

impl Record for ExportedRollup {
    fn read(row: &Row<'_>, _options: &Options) -> Result<Self, Bad> {
        let kind = row.required("rollup", rollup_kind)?;
        let subject =
            row.required("subject", |text| whole(text).filter(|subject| subject.abs() <= MAX_ID).ok_or(NO_SUBJECT))?;
        let count = |column| row.optional(column, |text| whole(text).filter(|count| *count >= 0).ok_or(NO_COUNT));
        let at =
            row.optional("at", |text| if text.len() == DAY { time(&format!("{text} 00:00:00")) } else { time(text) })?;
        let place = match kind {
            RollupKind::Owner => row.required("user_id", str::parse::<UserId>)?.0,
            RollupKind::Slot => slot_of(at.unwrap_or_default()),
            _ => day_of(at.unwrap_or_default()),
        };
        let dimension = match kind {
            RollupKind::Value => row.required("dimension", dimension)? as i16,
            _ => 0,
        };
        Ok(Self {
            kind,
            subject,
            place,
            dimension: dimension.into(),
            value: row.optional("value", |text| Ok(text.to_owned()))?.unwrap_or_default(),
            people: count("people")?.unwrap_or_default(),
            bots: count("bots")?.unwrap_or_default(),
            uniques: count("uniques")?.unwrap_or_default(),
        })
    }

    async fn store(bulk: &mut Bulk<'_>, rows: &[Self]) -> Result<Outcome, StoreError> {
        bulk.rollups(rows).await
    }
}

fn rollup_kind(text: &str) -> Result<RollupKind, Invalid> {
    let kind = RollupKind::ALL.into_iter().find(|kind| kind.name() == text);
    kind.ok_or(Invalid("must be kept_since, owner, day, slot or value"))
}

fn dimension(text: &str) -> Result<Dimension, Invalid> {
    let dimension = Dimension::ALL.into_iter().find(|dimension| dimension.name() == text);
    dimension.ok_or(Invalid("must be referrer, country, browser, os, device or language"))
}

fn whole(text: &str) -> Option<i64> {
    text.parse().ok()
}

impl Record for BulkEvent {
    fn read(row: &Row<'_>, options: &Options) -> Result<Self, Bad> {
        let event_type = row.required("event_type", EventType::parse)?;
        let details =
            |text| Details::parse(text).and_then(|details| event_type.check_details(&details).map(|()| details));
        Ok(Self {
            id: row.optional("id", EventId::given)?,
            url_id: row.required("url_id", str::parse)?,
            user_id: row.optional("user_id", str::parse)?,
            timestamp: row.optional("timestamp", time)?.unwrap_or(options.now),
            details: row.optional("details", details)?.unwrap_or_else(Details::none),
            event_type,
        })
    }

    async fn store(bulk: &mut Bulk<'_>, rows: &[Self]) -> Result<Outcome, StoreError> {
        bulk.events(rows).await
    }
}
