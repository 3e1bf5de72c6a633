//! Creating a link: its code, the link, its `created` event and its total, and the announcement of a chosen code.
//!
//! A code is reserved by its key in `codes`, for ever: of two that want one code the first to commit gets it. On
//! PostgreSQL all of it is one statement, which is one round trip if it commits by itself.
//!
//! Only a chosen code is announced. A replica caches a code as unknown only after a client asked for it, and a code
//! that is generated after the request came is one of 57 billion that no client knows: none can have asked for it but
//! by chance.

use std::{sync::Arc, time::Duration};

use sqlx::{Executor, Postgres, error::ErrorKind, sqlite::SqliteConnection};

use crate::{
    db::{
        Committed, Peers, Receipt, Result, Store, StoreError, Tx, TxInner, announcement::ANNOUNCEMENTS, awaited,
        dialect, error::kind,
    },
    domain::{Caller, Details, NewUrl, ShortCode, Url, UrlId, clock::Timestamp},
    store::{
        idempotency::RecordedAnswer,
        limits::{Bucket, Taken, TokenValues},
        paging::missing,
    },
};

// Said one after the other on SQLite, which has no statement that writes to several tables.
const RESERVE_CODE: &str = "INSERT INTO codes (short_code) VALUES ($1) ON CONFLICT DO NOTHING";
const INSERT: &str = r"
    INSERT INTO urls (user_id, short_code, original_url, title, is_active, created_at, updated_at)
    VALUES ($1, $2, $3, $4, TRUE, $5, $5)
    RETURNING id
";
const NOTE: &str = r"
    INSERT INTO events (url_id, user_id, event_type, timestamp, details)
    VALUES ($1, $2, 'created', $3, $4)
";
const BEGIN_TOTAL: &str = r"
    INSERT INTO click_totals (url_id, user_id, clicks, bots)
    VALUES ($1, $2, 0, 0)
    ON CONFLICT DO NOTHING
";

pub(crate) const STATEMENTS: &[&str] = &[RESERVE_CODE, INSERT, NOTE, BEGIN_TOTAL];

/// How many generated codes are tried before giving up: with a million links, one try in 57,000 meets a taken code.
const CODE_TRIES: usize = 8;

/// The field that is taken if an idempotency key was answered since it was claimed.
const KEY: &str = "idempotency_key";

/// A link about to be created with one code.
#[derive(Clone)]
struct Creation<'a> {
    new: &'a NewUrl,
    code: ShortCode,
    now: Timestamp,
    details: Details,
}

/// What a creation is recorded by, so that it is done once.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The idempotency key.
    pub key: &'a str,
    /// Tells the request apart from others.
    pub fingerprint: &'a str,
    /// An answer given at this moment or before no longer counts.
    pub expired: Timestamp,
    /// The answer for a link, as JSON.
    pub body: &'a (dyn Fn(&Url) -> serde_json::Result<String> + Sync),
}

/// What became of a creation by itself.
#[derive(Debug)]
pub enum Created {
    /// The link, what its commit leaves to do, and the tokens left in the bucket that one was taken from.
    Link(Url, Committed, Option<u32>),
    /// There is no token before this time has passed.
    Limited(Duration),
    /// The idempotency key was answered since it was claimed.
    Answered,
}

impl Store {
    /// Creates a link and its `created` event, by itself, and takes a token for it if a bucket is given. A chosen
    /// code that is taken costs the token too.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if the chosen code is or was another link's, [`StoreError::Missing`] if the caller sees
    /// no such user. If the connection breaks, it is unknown whether the link was created.
    pub async fn create_url(
        &self,
        caller: Caller,
        bucket: Option<Bucket>,
        new: &NewUrl,
        now: Timestamp,
    ) -> Result<Created> {
        self.create_url_once(caller, bucket, None, new, now).await
    }

    /// The same, and records the answer if an idempotency key was claimed for it.
    ///
    /// # Errors
    /// As [`Store::create_url`].
    pub async fn create_url_once(
        &self,
        caller: Caller,
        bucket: Option<Bucket>,
        record: Option<Record<'_>>,
        new: &NewUrl,
        now: Timestamp,
    ) -> Result<Created> {
        let Self::Postgres { pool, peers, .. } = self else {
            return self.create_on_sqlite(caller, bucket, record, new, now).await;
        };
        let (mut unpaid, mut left) = (bucket, None);
        for creation in creations(caller, new, now)? {
            let (announcement, receipt) = creation.announcement(peers)?;
            let token = unpaid.map(|bucket| bucket.values(now));
            let created = creation.on_postgres(&pool.current(), token, record, announcement).await;
            let (full_at, id) = match created {
                Err(StoreError::Taken(KEY)) => return Ok(Created::Answered),
                created => created?,
            };
            // Taken once, however many codes are tried.
            if let (Some(bucket), Some(values)) = (unpaid.take(), token) {
                match full_at {
                    Some(full_at) => left = Some(values.left(full_at)),
                    None => return Ok(Created::Limited(values.wait(self.bucket_full_at(bucket).await?))),
                }
            }
            if let Some(id) = id {
                let committed = Committed { changes: (&creation.code).into(), receipt };
                return Ok(Created::Link(creation.url(id), committed, left));
            }
        }
        Err(no_code(new))
    }

    async fn create_on_sqlite(
        &self,
        caller: Caller,
        bucket: Option<Bucket>,
        record: Option<Record<'_>>,
        new: &NewUrl,
        now: Timestamp,
    ) -> Result<Created> {
        let (mut tx, mut left) = (self.begin_as(caller).await?, None);
        if let Some(bucket) = bucket {
            match tx.take_token(bucket, now).await? {
                Taken::Left(tokens) => left = Some(tokens),
                Taken::After(wait) => return Ok(Created::Limited(wait)),
            }
        }
        let url = tx.create_url(new, now).await?;
        if let Some(Record { key, fingerprint, expired, body }) = record {
            let answer =
                RecordedAnswer { fingerprint: fingerprint.to_owned(), status: 201, body: written(body(&url))? };
            if !tx.record_answer(key, &answer, now, expired).await? {
                return Ok(Created::Answered);
            }
        }
        Ok(Created::Link(url, tx.commit_links().await?, left))
    }
}

impl Tx {
    /// Creates a link and its `created` event.
    ///
    /// # Errors
    /// As [`Store::create_url`], but for the token; the transaction can then only be undone.
    pub async fn create_url(&mut self, new: &NewUrl, now: Timestamp) -> Result<Url> {
        for creation in creations(self.caller, new, now)? {
            let created = match &mut self.inner {
                TxInner::Postgres(tx, _) => creation.on_postgres(tx, None, None, None).await?.1,
                TxInner::Sqlite(tx, _) => creation.on_sqlite(tx).await?,
            };
            if let Some(id) = created {
                if new.short_code.is_some() {
                    self.note_changed(&creation.code);
                } else {
                    self.note_created(&creation.code);
                }
                return Ok(creation.url(id));
            }
        }
        Err(no_code(new))
    }
}

/// The link with its chosen code, or with as many generated codes as are tried.
fn creations(caller: Caller, new: &NewUrl, now: Timestamp) -> Result<impl Iterator<Item = Creation<'_>>> {
    if !caller.sees(new.user_id) {
        return Err(StoreError::Missing("user_id"));
    }
    let tries = if new.short_code.is_some() { 1 } else { CODE_TRIES };
    Ok((0..tries).map(move |_| {
        let code = new.short_code.clone().unwrap_or_else(ShortCode::generate);
        let details = serde_json::json!({ "short_code": &code, "original_url": &new.original_url });
        Creation { new, code, now, details: Details::of(&details).by(&caller) }
    }))
}

fn written(body: serde_json::Result<String>) -> Result<String> {
    body.map_err(|error| sqlx::Error::Encode(error.into()).into())
}

/// Why none of the codes could be had.
fn no_code(new: &NewUrl) -> StoreError {
    match new.short_code {
        Some(_) => StoreError::Taken("short_code"),
        None => StoreError::Unavailable("no free short code was found".to_owned()),
    }
}

impl Creation<'_> {
    /// What tells the other replicas, and the wait for them; nothing for a generated code.
    fn announcement(&self, peers: &Arc<Peers>) -> Result<(Option<String>, Option<Receipt>)> {
        if self.new.short_code.is_none() {
            return Ok((None, None));
        }
        let (text, receipt) = awaited(peers, &(&self.code).into())?;
        Ok((Some(text), receipt))
    }

    /// Creates the link, takes the token and records the answer; answers when the bucket is full again, and no id if the code is or was
    /// another link's, or there is no token.
    async fn on_postgres(
        &self,
        connection: impl Executor<'_, Database = Postgres>,
        token: Option<TokenValues>,
        record: Option<Record<'_>>,
        announcement: Option<String>,
    ) -> Result<(Option<i64>, Option<UrlId>)> {
        let Self { new, code, now, details } = self;
        let TokenValues { policy, user, now: at, interval, empty, latest } = token.unwrap_or_default();
        let statement = sqlx::query_as(dialect::CREATE_URL).bind(policy).bind(user).bind(at).bind(interval);
        let statement = statement.bind(empty).bind(latest).bind(new.user_id).bind(code).bind(&new.original_url);
        let statement = statement.bind(&new.title).bind(now).bind(details).bind(ANNOUNCEMENTS).bind(announcement);
        let body = record.map(|record| written((record.body)(&self.clone().url(UrlId(0))))).transpose()?;
        let statement = statement.bind(record.map(|record| record.key)).bind(record.map(|record| record.fingerprint));
        let statement = statement.bind(body).bind(record.map(|record| record.expired));
        statement.fetch_one(connection).await.map_err(|error| match kind(&error) {
            Some(ErrorKind::NotNullViolation) => StoreError::Taken(KEY),
            _ => missing("user_id")(error),
        })
    }

    /// Creates the link; none if its code is or was another link's.
    async fn on_sqlite(&self, connection: &mut SqliteConnection) -> Result<Option<UrlId>> {
        let Self { new, code, now, details } = self;
        let reserved = sqlx::query(RESERVE_CODE).bind(code).execute(&mut *connection).await?;
        if reserved.rows_affected() == 0 {
            return Ok(None);
        }
        let statement = sqlx::query_scalar(INSERT).bind(new.user_id).bind(code).bind(&new.original_url);
        let created = statement.bind(&new.title).bind(now).fetch_one(&mut *connection).await;
        let id: UrlId = created.map_err(missing("user_id"))?;
        sqlx::query(NOTE).bind(id).bind(new.user_id).bind(now).bind(details).execute(&mut *connection).await?;
        sqlx::query(BEGIN_TOTAL).bind(id).bind(new.user_id).execute(connection).await?;
        Ok(Some(id))
    }

    /// The link as it was created.
    fn url(self, id: UrlId) -> Url {
        let Self { new, code, now, .. } = self;
        Url {
            id,
            user_id: new.user_id,
            short_code: code,
            original_url: new.original_url.clone(),
            title: new.title.clone(),
            is_active: true,
            created_at: now,
            updated_at: now,
            disabled_reason: None,
        }
    }
}
