//! A migrated database of each kind, which tests copy: the first test that needs one makes it. On a server of one's
//! own it stays for the next run, under a name that tells the schema.

use std::{fs, path::PathBuf};

use sqlx::{Connection as _, PgConnection};
use tokio::sync::OnceCell;

use super::database::{Database, Kind, on_server, server_url};

/// One test program at a time makes the template.
const LOCK: i64 = 0x6275_6f79;

/// The path of the migrated file.
pub(super) async fn file() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("template-{}.db", checksum("sqlite")));
    if !path.exists() {
        let database = migrated(Kind::Sqlite).await;
        let copy = tempfile::NamedTempFile::new_in(&folder).expect("a temporary file can be made");
        fs::copy(database.file(), copy.path()).expect("the migrated file can be copied");
        copy.persist(&path).expect("it can be renamed");
    }
    path
}

/// The name of the migrated database on the server.
pub(super) async fn database() -> &'static str {
    static NAME: OnceCell<String> = OnceCell::const_new();
    NAME.get_or_init(async || {
        let name = format!("buoy_template_{}", checksum("postgres"));
        let mut connection = PgConnection::connect(&server_url()).await.expect("the server answers");
        // The lock ends with the connection.
        sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut connection).await.expect("it can be locked");
        let exists = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(&name);
        let exists: bool = exists.fetch_one(&mut connection).await.expect("the query is sound");
        if !exists {
            let database = migrated(Kind::Postgres).await;
            // Renamed when it is complete. Without connections, autovacuum's included, it can be copied at any time.
            on_server(&format!("ALTER DATABASE {} RENAME TO {name}", database.name)).await;
            on_server(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
        }
        name
    })
    .await
}

async fn migrated(kind: Kind) -> Database {
    let database = Database::empty(kind).await;
    let store = database.store().await;
    store.migrate().await.expect("the schema can be made");
    store.close().await;
    database
}

/// Another one for another schema.
fn checksum(kind: &str) -> String {
    let folder = format!("{}/migrations/{kind}", env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(folder).expect("the migrations can be listed");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).expect("migrations are text")).collect();
    format!("{:08x}", crc32fast::hash(texts.concat().as_bytes()))
}
