//! Changing and deleting links, with the events that this leaves and the announcement to the other replicas.
//!
//! A change is read, worked out, and written only if nothing changed the link since, which its `updated_at` tells: it
//! moves forward with every change. Else it is worked out again. No transaction stays open for it; on PostgreSQL what
//! is written is one statement.
//!
//! A title is announced to no replica: caches hold what following a link needs, and its title is not part of it.

use crate::{
    db::{
        Changes, Committed, Result, Store, StoreError,
        announcement::ANNOUNCEMENTS,
        awaited,
        batch_rows::{Column, over_rows},
        dialect::{self, Sql},
        on_tx,
    },
    domain::{
        Caller, Details, ShortCode, TargetUrl, Title, Url, UrlChanges, UrlId, UserId, clock::Timestamp,
        url::FieldChange,
    },
};

// Said one after the other on SQLite, which has no statement that writes to several tables.
const UPDATE: &str = r"
    UPDATE urls
    SET original_url = $3,
        title = $4,
        is_active = $5,
        disabled_reason = $6,
        updated_at = $7
    WHERE id = $1 AND updated_at = $2
";
const NOTE_CHANGES: Sql = over_rows!(
    "INSERT INTO events (url_id, user_id, event_type, timestamp, details) \
     SELECT b.url_id, b.user_id, 'updated', b.at, b.details",
    (1 "bigint" "url_id", 2 "bigint" "user_id", 3 "timestamptz" "at", 4 "text" "details"),
    ""
);
const DELETE: &str = r"
    DELETE FROM urls
    WHERE id = $1 AND user_id = coalesce($2, user_id)
    RETURNING user_id, short_code
";
const RETIRE_CODE: &str = "UPDATE codes SET retired_at = $2 WHERE short_code = $1";
const NOTE_DELETION: &str = r"
    INSERT INTO events (url_id, user_id, event_type, timestamp, details)
    VALUES ($1, $2, 'deleted', $3, $4)
";

pub(crate) const STATEMENTS: &[&str] = &[UPDATE, DELETE, RETIRE_CODE, NOTE_DELETION];
pub(crate) const ROW_STATEMENTS: &[Sql] = &[NOTE_CHANGES];

/// How often a change is worked out again because another one was faster: in each round one of the concurrent changes
/// wins.
const TRIES: usize = 64;

/// A link before and after a change.
struct Change {
    before: Url,
    after: Url,
    /// The details of the events that it leaves.
    notes: Vec<Details>,
}

impl Store {
    /// Changes a link and leaves an `updated` event for each field that differs; answers none if the caller sees no
    /// such link.
    pub async fn update_url(
        &self,
        caller: Caller,
        id: UrlId,
        changes: &UrlChanges,
        now: Timestamp,
    ) -> Result<Option<(Url, Committed)>> {
        for _ in 0..TRIES {
            let Some(url) = self.visible_url(caller, id).await? else { return Ok(None) };
            let change = Change::of(url, changes.clone(), now, caller);
            if let Some(committed) = self.write(&change).await? {
                return Ok(Some((change.after, committed)));
            }
        }
        Err(overtaken())
    }

    /// Gives a link a title if it has none and still leads to `target`, and leaves an `updated` event; answers
    /// whether it did.
    pub async fn give_title(&self, id: UrlId, target: &TargetUrl, title: &Title, now: Timestamp) -> Result<bool> {
        let changes = UrlChanges { title: Some(Some(title.clone())), ..UrlChanges::default() };
        for _ in 0..TRIES {
            let Some(url) = self.url(id).await? else { return Ok(false) };
            if url.title.is_some() || url.original_url != *target {
                return Ok(false);
            }
            if self.write(&Change::of(url, changes.clone(), now, Caller::Open)).await?.is_some() {
                return Ok(true);
            }
        }
        Err(overtaken())
    }

    /// Deletes a link and leaves a `deleted` event; its code stays used. Answers none if the caller sees no such link.
    pub async fn delete_url(
        &self,
        caller: Caller,
        id: UrlId,
        now: Timestamp,
        details: Details,
    ) -> Result<Option<Committed>> {
        let (owner, details) = (caller.owner(), details.by(&caller));
        let Self::Postgres { pool, peers, .. } = self else {
            return self.delete_on_sqlite(id, owner, now, details).await;
        };
        let (announcement, receipt) = awaited(peers, &Changes::of_placeholder())?;
        let statement = sqlx::query_scalar(dialect::DELETE_URL).bind(id).bind(owner).bind(now).bind(details);
        let statement = statement.bind(ANNOUNCEMENTS).bind(announcement);
        let code: Option<ShortCode> = statement.fetch_optional(&pool.current()).await?;
        Ok(code.map(|code| Committed { changes: (&code).into(), receipt }))
    }

    async fn visible_url(&self, caller: Caller, id: UrlId) -> Result<Option<Url>> {
        Ok(self.url(id).await?.filter(|url| caller.sees(url.user_id)))
    }

    /// Writes a change; none if another one was faster.
    async fn write(&self, change: &Change) -> Result<Option<Committed>> {
        if change.notes.is_empty() {
            return Ok(Some(Committed::nothing()));
        }
        let Self::Postgres { pool, peers, .. } = self else { return self.write_on_sqlite(change).await };
        let Change { before, after, notes } = change;
        let changes = change.of_cached();
        let (announcement, receipt) = if changes.is_empty() {
            (None, None)
        } else {
            let (text, receipt) = awaited(peers, &changes)?;
            (Some(text), receipt)
        };
        let statement = sqlx::query(dialect::CHANGE_URL).bind(before.id).bind(before.updated_at);
        let statement = statement.bind(&after.original_url).bind(&after.title).bind(after.is_active);
        let statement = statement.bind(&after.disabled_reason).bind(after.updated_at);
        let notes: Vec<&str> = notes.iter().map(Details::as_str).collect();
        let statement = statement.bind(notes).bind(ANNOUNCEMENTS).bind(announcement);
        let written = statement.fetch_optional(&pool.current()).await?;
        Ok(written.map(|_| Committed { changes, receipt }))
    }

    async fn write_on_sqlite(&self, Change { before, after, notes }: &Change) -> Result<Option<Committed>> {
        let mut tx = self.begin().await?;
        let written = on_tx!(tx, |conn| {
            let statement = sqlx::query(UPDATE).bind(before.id).bind(before.updated_at);
            let statement = statement.bind(&after.original_url).bind(&after.title).bind(after.is_active);
            let statement = statement.bind(&after.disabled_reason).bind(after.updated_at);
            statement.execute(conn).await?.rows_affected()
        });
        if written == 0 {
            return Ok(None);
        }
        let columns = vec![
            Column::Numbers(vec![after.id.0; notes.len()]),
            Column::Numbers(vec![after.user_id.0; notes.len()]),
            Column::Times(vec![after.updated_at; notes.len()]),
            Column::Texts(notes.iter().map(Details::as_str).collect()),
        ];
        tx.change_rows(NOTE_CHANGES, columns).await?;
        tx.note_changed(&after.short_code);
        tx.commit_links().await.map(Some)
    }

    async fn delete_on_sqlite(
        &self,
        id: UrlId,
        owner: Option<UserId>,
        now: Timestamp,
        details: Details,
    ) -> Result<Option<Committed>> {
        let mut tx = self.begin().await?;
        let deleted: Option<(UserId, ShortCode)> =
            on_tx!(tx, |conn| sqlx::query_as(DELETE).bind(id).bind(owner).fetch_optional(conn).await?);
        let Some((user_id, code)) = deleted else { return Ok(None) };
        on_tx!(tx, |conn| {
            sqlx::query(RETIRE_CODE).bind(&code).bind(now).execute(&mut *conn).await?;
            sqlx::query(NOTE_DELETION).bind(id).bind(user_id).bind(now).bind(details).execute(conn).await?;
        });
        tx.note_changed(&code);
        tx.commit_links().await.map(Some)
    }
}

impl Change {
    fn of(before: Url, changes: UrlChanges, now: Timestamp, caller: Caller) -> Self {
        let mut after = before.clone();
        let fields: Vec<FieldChange> = after.apply(changes, now);
        let notes = fields.iter().map(|field| Details::of(field).by(&caller)).collect();
        Self { before, after, notes }
    }

    /// The link, if anything changed that caches hold.
    fn of_cached(&self) -> Changes {
        let cached = |url: &Url| (url.original_url.clone(), url.is_active, url.disabled_reason.clone());
        if cached(&self.before) == cached(&self.after) { Changes::default() } else { (&self.after.short_code).into() }
    }
}

fn overtaken() -> StoreError {
    StoreError::Unavailable("other changes of the same link were faster".to_owned())
}
