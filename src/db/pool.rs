//! PostgreSQL's pool, which can be replaced as a whole.
//!
//! After an outage that drops packets, a pool is full of connections that neither work nor fail, and of tasks that
//! wait for them. Replacing it gives the next request a fresh connection; the old ones end when TCP gives them up.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use sqlx::{PgPool, postgres::PgPoolOptions};

use super::{Server, pooler::Connections};

/// A pool that can be replaced, cheap to clone; clones share the replacement.
#[derive(Debug, Clone)]
pub struct ReplaceablePool {
    pool: Arc<RwLock<PgPool>>,
    settings: Arc<Settings>,
    opening: Option<Arc<str>>,
    /// The connections of lists, unless there is one for everything.
    lists: Option<Arc<Self>>,
}

#[derive(Debug)]
struct Settings {
    pool: PgPoolOptions,
    server: Arc<Server>,
    statement_timeout: Duration,
}

impl Settings {
    /// An empty pool, whose connections go the way to the server that is known now.
    fn pool(&self) -> PgPool {
        self.pool.clone().connect_lazy_with(self.server.queries(self.statement_timeout))
    }
}

impl ReplaceablePool {
    pub(super) fn new(pool: PgPoolOptions, server: Arc<Server>, statement_timeout: Duration) -> Self {
        let opening = server.opening(statement_timeout);
        let settings = Settings { pool, server, statement_timeout };
        Self { pool: Arc::new(RwLock::new(settings.pool())), settings: Arc::new(settings), opening, lists: None }
    }

    /// The same beside the connections of lists, which are replaced with it.
    pub(super) fn beside(self, lists: Option<Self>) -> Self {
        Self { lists: lists.map(Arc::new), ..self }
    }

    /// The connections of lists.
    pub(super) fn for_lists(&self) -> Self {
        self.lists.as_deref().unwrap_or(self).clone()
    }

    /// The connections that there may be, without those of lists.
    pub(super) fn limit(&self) -> u32 {
        self.settings.pool.get_max_connections()
    }

    /// All connections and the idle ones among them.
    pub(super) fn in_use(&self) -> (u32, usize) {
        let own = self.current();
        let (size, idle) = self.lists.as_ref().map_or((0, 0), |lists| lists.in_use());
        (own.size() + size, own.num_idle() + idle)
    }

    /// Waits until every connection has been returned, and closes them.
    pub(super) async fn close(&self) {
        self.current().close().await;
        if let Some(lists) = &self.lists {
            lists.current().close().await;
        }
    }

    /// The connections of the moment.
    pub fn current(&self) -> Connections {
        let pool = self.pool.read().unwrap_or_else(PoisonError::into_inner).clone();
        Connections::new(pool, self.opening.clone())
    }

    /// Puts a new, empty pool in place of the old one, whose connections close as they come back.
    pub(crate) fn replace(&self) {
        let fresh = self.settings.pool();
        let old = std::mem::replace(&mut *self.pool.write().unwrap_or_else(PoisonError::into_inner), fresh);
        // Marks the old pool closed immediately; what is still in use is not waited for.
        drop(old.close());
        if let Some(lists) = &self.lists {
            lists.replace();
        }
    }
}
