//! Connections and transactions on PostgreSQL that also work through a pooler in transaction mode.
//!
//! The driver names each statement that it prepares, and sends it in one round trip and its values in the next.
//! Through a pooler these may reach two sessions, and the name may be another client's. So there every statement
//! stands in a transaction, even if it is the only one, is prepared without a name, and is gone with the next.
//! That costs two round trips more for a lone statement. Without a pooler nothing is added.

use std::sync::Arc;

use futures_util::{
    TryStreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    AssertSqlSafe, Describe, Either, Execute, Executor, PgPool, Postgres, SqlStr, Transaction,
    error::BoxDynError,
    postgres::{PgArguments, PgConnection, PgCopyIn, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use tokio::time::timeout;

type Step = Either<PgQueryResult, PgRow>;

/// The connections of the moment.
#[derive(Debug, Clone)]
pub struct Connections {
    pool: PgPool,
    /// The first statement of each transaction, if the pool leads to a pooler.
    opening: Option<Arc<str>>,
}

/// A transaction, whose statements leave nothing in a session that is not its own.
#[derive(Debug)]
pub struct PgTx {
    inner: Transaction<'static, Postgres>,
    pooled: bool,
}

impl Connections {
    pub(crate) fn new(pool: PgPool, opening: Option<Arc<str>>) -> Self {
        Self { pool, opening }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// If no connection can be had in time, or it breaks.
    pub async fn begin(&self) -> sqlx::Result<PgTx> {
        self.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await
    }

    /// Begins a transaction with a statement of its own.
    ///
    /// # Errors
    /// As [`Connections::begin`].
    pub async fn begin_with(&self, begin: &'static str) -> sqlx::Result<PgTx> {
        let inner = match &self.opening {
            // One message, hence one transaction from its beginning. It waits until the pooler has a server free, which
            // the pooler itself bounds by minutes.
            Some(opening) => {
                let begun = self.pool.begin_with(AssertSqlSafe(format!("{begin}; {opening}")));
                let wait = self.pool.options().get_acquire_timeout();
                timeout(wait, begun).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?
            }
            None => self.pool.begin_with(begin).await?,
        };
        Ok(PgTx { inner, pooled: self.opening.is_some() })
    }

    /// How many there are.
    pub fn size(&self) -> u32 {
        self.pool.size()
    }

    /// How many of them are idle.
    pub fn num_idle(&self) -> usize {
        self.pool.num_idle()
    }

    /// Waits until all have come back, and closes them.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl PgTx {
    /// Makes the changes permanent.
    ///
    /// # Errors
    /// If the connection breaks in it, it is not known whether the changes were made.
    pub async fn commit(self) -> sqlx::Result<()> {
        self.inner.commit().await
    }

    /// Undoes the changes.
    ///
    /// # Errors
    /// If the connection breaks; the database then undoes them by itself.
    pub async fn rollback(self) -> sqlx::Result<()> {
        self.inner.rollback().await
    }

    /// Begins to send rows in the way of COPY, which prepares nothing.
    ///
    /// # Errors
    /// As any statement.
    pub async fn copy_in(&mut self, sql: &str) -> sqlx::Result<PgCopyIn<&mut PgConnection>> {
        self.inner.copy_in_raw(sql).await
    }
}

impl<'c> Executor<'c> for &'_ Connections {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Step>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        if self.opening.is_none() {
            return self.pool.fetch_many(query);
        }
        let connections = self.clone();
        let steps = async move {
            let mut tx = connections.begin().await?;
            // Gathered, so that the transaction ends before its rows are looked at: lists are pages, never whole
            // tables.
            let steps: Vec<Step> = (&mut tx).fetch_many(query).try_collect().await?;
            tx.commit().await?;
            Ok::<_, sqlx::Error>(stream::iter(steps.into_iter().map(Ok)))
        };
        Box::pin(stream::once(steps).try_flatten())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        if self.opening.is_none() {
            return self.pool.fetch_optional(query);
        }
        let connections = self.clone();
        Box::pin(async move {
            let mut tx = connections.begin().await?;
            let row = (&mut tx).fetch_optional(query).await?;
            tx.commit().await?;
            Ok(row)
        })
    }

    fn prepare_with<'e>(self, sql: SqlStr, types: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        self.pool.prepare_with(sql, types)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        self.pool.describe(sql)
    }
}

impl<'c> Executor<'c> for &'c mut PgTx {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Step>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pooled = self.pooled;
        self.inner.fetch_many(InSession { query, pooled })
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pooled = self.pooled;
        self.inner.fetch_optional(InSession { query, pooled })
    }

    fn prepare_with<'e>(self, sql: SqlStr, types: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        self.inner.prepare_with(sql, types)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        self.inner.describe(sql)
    }
}

/// A statement without a name if another client gets the session afterwards.
struct InSession<E> {
    query: E,
    pooled: bool,
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for InSession<E> {
    fn sql(self) -> SqlStr {
        self.query.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.query.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.query.take_arguments()
    }

    fn persistent(&self) -> bool {
        !self.pooled && self.query.persistent()
    }
}
