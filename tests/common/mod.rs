//! What the test programs share: fresh databases of both kinds, the check of sums, and the macro that runs a test on
//! each.

pub(crate) mod database;
pub(crate) mod sums;
mod template;

/// Makes two tests of each function that takes a [`database::Kind`]: one on SQLite, one on PostgreSQL.
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::common::database::Kind::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::common::database::Kind::Postgres).await;
            })+
        }
    };
}
pub(crate) use on_both_databases;
