//! What a test does to a database behind the program's back.

use crate::common::database::{Database, on_server};

impl Database {
    /// Adds users `u1` to `u<rows>`, faster than over HTTP.
    pub(crate) async fn add_users(&self, rows: u32) {
        self.fill(rows, "users (username, email, created_at) SELECT 'u' || i, 'u' || i || '@x.example', AT").await;
    }

    /// Adds links `c1` to `c<rows>` of user 1, faster than over HTTP.
    pub(crate) async fn add_urls(&self, rows: u32) {
        let select = "urls (user_id, short_code, original_url, title, is_active, created_at, updated_at) \
                      SELECT 1, 'c' || i, 'https://example.com/articles/' || i, 'Article ' || i, TRUE, AT, AT";
        self.fill(rows, select).await;
        for sql in [
            "INSERT INTO codes (short_code) SELECT short_code FROM urls WHERE TRUE ON CONFLICT DO NOTHING",
            "INSERT INTO click_totals (url_id, user_id, clicks, bots) SELECT id, user_id, 0, 0 FROM urls WHERE TRUE \
             ON CONFLICT DO NOTHING",
        ] {
            self.execute(sql).await;
        }
    }

    /// Adds `click` events of link 1, faster than over HTTP.
    pub(crate) async fn add_events(&self, rows: u32) {
        let select = "events (url_id, user_id, event_type, timestamp, details) SELECT 1, NULL, 'click', AT, '{}'";
        self.fill(rows, select).await;
    }

    async fn fill(&self, rows: u32, insertion: &str) {
        if rows == 0 {
            return;
        }
        let insertion = insertion.replace("AT", "'2026-01-01T00:00:00+00:00'");
        let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})");
        self.execute(&format!("{numbers} INSERT INTO {insertion} FROM n")).await;
    }
}

/// A user of the server who may use one database.
#[derive(Debug)]
pub(crate) struct Role {
    /// The database's address with this user's name and password.
    pub(crate) url: String,
    pub(crate) password: String,
    name: String,
    database: String,
}

impl Database {
    /// A user who owns all that is in this PostgreSQL database.
    pub(crate) async fn role(&self) -> Role {
        let (name, password) = (format!("{}_user", self.name), format!("{:032x}", rand::random::<u128>()));
        let grants = ["TABLES", "SEQUENCES"].map(|kind| format!("GRANT ALL ON ALL {kind} IN SCHEMA public TO {name};"));
        self.execute(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'; {}", grants.concat())).await;
        let mut url = url::Url::parse(&self.url).expect("the address is sound");
        url.set_username(&name).expect("the name can be set");
        url.set_password(Some(&password)).expect("the password can be set");
        Role { url: url.into(), password, name, database: self.name.clone() }
    }
}

impl Role {
    /// Changes the password and ends every connection of this user.
    pub(crate) async fn change_password(&self, password: &str) {
        let (name, database) = (&self.name, &self.database);
        on_server(&format!("ALTER ROLE {name} PASSWORD '{password}'")).await;
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}' AND datname = '{database}'"
        );
        on_server(&end).await;
    }
}
