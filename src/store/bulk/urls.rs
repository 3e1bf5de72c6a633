//! Links in bulk: a link that is there is found by its id and code, or without an id by its code, owner and target.

use super::{
    Bulk, BulkUrl, Outcome,
    cell::Cell,
    sequences::Numbered,
    staging::{Staging, staging},
    users::{CHANGED_MEANWHILE, ROUNDS},
};
use crate::{
    db::{
        Changes, Result,
        batch_rows::{Column, over_rows},
        columns::url_columns,
        dialect::Sql,
        on_tx,
    },
    domain::ShortCode,
};

const STAGING: Staging = staging!("import_urls", concat!(url_columns!(), ", is_chosen, is_reserved"));
const OF_NOBODY: &str = r"
    DELETE FROM import_urls
    WHERE (SELECT c.user_id FROM import_claims c WHERE c.row_id = import_urls.user_id) = 0
    RETURNING nth
";
const DIVERT: &str = r"
    UPDATE import_urls
    SET user_id = (SELECT c.user_id FROM import_claims c WHERE c.row_id = import_urls.user_id)
    WHERE (SELECT c.user_id FROM import_claims c WHERE c.row_id = import_urls.user_id) <> user_id
";
/// PostgreSQL only: keeps the owners from being deleted until the links are stored. An array, so that the owners are
/// looked up one by one whatever the planner thinks of a table just filled.
const LOCK_OWNERS: &str = r"
    SELECT id FROM users
    WHERE id = ANY (ARRAY(SELECT user_id FROM import_urls))
    ORDER BY id
    FOR KEY SHARE
";
const OWNERLESS: &str = r"
    DELETE FROM import_urls
    WHERE (SELECT count(*) FROM users u WHERE u.id = import_urls.user_id) = 0
    RETURNING nth
";
/// Answers the codes that this import has reserved: neither a link nor another transaction has or had them.
const RESERVE_CODES: &str = r"
    INSERT INTO codes (short_code)
    SELECT short_code FROM import_urls
    WHERE NOT is_reserved
    ORDER BY short_code
    ON CONFLICT DO NOTHING
    RETURNING short_code
";
const MARK_RESERVED: Sql = over_rows!(
    "UPDATE import_urls SET is_reserved = TRUE",
    (1 "text" "short_code"),
    "WHERE import_urls.short_code = b.short_code"
);
const INSERT_WITH_ID: &str = concat!(
    "INSERT INTO urls (",
    url_columns!(),
    ")\n    SELECT ",
    url_columns!(),
    r" FROM import_urls
    WHERE id IS NOT NULL AND is_reserved
    ORDER BY nth
    ON CONFLICT DO NOTHING
    ",
);
const INSERT_WITHOUT_ID: &str = r"
    INSERT INTO urls (
        user_id, short_code, original_url, title, is_active, created_at, updated_at, disabled_reason
    )
    SELECT user_id, short_code, original_url, title, is_active, created_at, updated_at, disabled_reason
    FROM import_urls
    WHERE id IS NULL AND is_reserved
    ORDER BY nth
    ON CONFLICT DO NOTHING
";
const RECODE: &str = "UPDATE import_urls SET short_code = $2 WHERE nth = $1";
/// Rows that stand for no link: whether their id is taken, whether a link has their code, whether one had it, and
/// whether they chose it.
const UNPLACED: &str = r"
    SELECT
        s.nth,
        (SELECT count(*) FROM urls u WHERE u.id = s.id) AS id_holders,
        (SELECT count(*) FROM urls u WHERE u.short_code = s.short_code) AS code_holders,
        (SELECT count(*) FROM codes c WHERE c.short_code = s.short_code AND c.retired_at IS NOT NULL) AS retired,
        s.is_chosen
    FROM import_urls s
    WHERE CASE
        WHEN s.id IS NULL THEN (
            SELECT count(*) FROM urls u
            WHERE u.short_code = s.short_code AND u.user_id = s.user_id AND u.original_url = s.original_url
        )
        WHEN s.is_chosen THEN (SELECT count(*) FROM urls u WHERE u.id = s.id AND u.short_code = s.short_code)
        ELSE (
            SELECT count(*) FROM urls u
            WHERE u.id = s.id AND u.user_id = s.user_id AND u.original_url = s.original_url
        )
    END = 0
    ORDER BY s.nth
";
/// Gives back the codes of rows that were refused for another reason.
const RELEASE_CODES: &str = r"
    DELETE FROM codes
    WHERE short_code IN (SELECT short_code FROM import_urls WHERE is_reserved)
        AND (SELECT count(*) FROM urls u WHERE u.short_code = codes.short_code) = 0
";
const BEGIN_TOTALS: &str = r"
    INSERT INTO click_totals (url_id, user_id, clicks, bots)
    SELECT
        (SELECT u.id FROM urls u WHERE u.short_code = s.short_code),
        (SELECT u.user_id FROM urls u WHERE u.short_code = s.short_code),
        0,
        0
    FROM import_urls s
    WHERE s.is_reserved
        AND (SELECT count(*) FROM urls u WHERE u.short_code = s.short_code) > 0
    ON CONFLICT DO NOTHING
";

/// The codes that links of staged rows got because the rows had none.
const GENERATED: &str = r"
    SELECT i.nth, u.short_code
    FROM import_urls i
    JOIN urls u ON u.short_code = i.short_code
    WHERE NOT i.is_chosen
    ORDER BY i.nth
";

/// A link and the code it is stored with, its own or a generated one.
#[derive(Debug)]
struct CodedUrl<'r> {
    url: &'r BulkUrl,
    generated: Option<ShortCode>,
}

impl CodedUrl<'_> {
    fn cells(&self) -> [Cell<'_>; 11] {
        let url = self.url;
        let code = url.short_code.as_ref().or(self.generated.as_ref());
        [
            Cell::Number(url.id.map(|id| id.0)),
            Cell::Number(Some(url.user_id.0)),
            Cell::Text(code.map(ShortCode::as_str)),
            Cell::Text(Some(url.original_url.as_str())),
            Cell::Text(url.title.as_ref().map(|title| title.as_str())),
            Cell::Flag(url.is_active),
            Cell::Time(Some(url.created_at)),
            Cell::Time(Some(url.updated_at)),
            Cell::Text(url.disabled_reason.as_ref().map(|reason| reason.as_str())),
            Cell::Flag(url.short_code.is_some()),
            Cell::Flag(false),
        ]
    }
}

/// A row that stands for no link.
#[derive(Debug, sqlx::FromRow)]
struct Unplaced {
    nth: i64,
    id_holders: i64,
    code_holders: i64,
    retired: i64,
    is_chosen: bool,
}

impl Unplaced {
    /// Why it is refused; none if another try may succeed.
    fn fault(&self) -> Option<(&'static str, &'static str)> {
        if self.id_holders > 0 {
            return Some(("id", "belongs to another link"));
        }
        match (self.is_chosen, self.code_holders, self.retired) {
            (true, 1.., _) => Some(("short_code", "is another link's")),
            (true, _, 1..) => Some(("short_code", "was used by a link that is gone")),
            _ => None,
        }
    }
}

impl Bulk<'_> {
    /// Finds or creates links, in the order of `rows`. A link without an id and without a code is always new.
    pub async fn urls(&mut self, rows: &[BulkUrl]) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let coded: Vec<CodedUrl<'_>> = rows
            .iter()
            .map(|url| CodedUrl { url, generated: url.short_code.is_none().then(ShortCode::generate) })
            .collect();
        self.stage(&STAGING, coded.iter().map(CodedUrl::cells).collect()).await?;
        if self.diverted {
            self.refuse(OF_NOBODY, "user_id", "names a user whose row was left out", &mut outcome).await?;
            self.run(DIVERT).await?;
        }
        if !self.tx.is_embedded() {
            self.run(LOCK_OWNERS).await?;
        }
        self.refuse(OWNERLESS, "user_id", "names no user", &mut outcome).await?;
        self.place_urls(rows, &mut outcome).await?;
        if rows.iter().any(|row| row.short_code.is_none()) {
            let made: Vec<(i64, ShortCode)> = on_tx!(self.tx, |conn| sqlx::query_as(GENERATED).fetch_all(conn).await?);
            let nth = |nth| usize::try_from(nth).unwrap_or_default();
            outcome.generated = made.into_iter().map(|(row, code)| (nth(row), code)).collect();
        }
        if outcome.created > 0 {
            // Codes that led nowhere may be cached as such.
            self.tx.note_all(Changes::All);
        }
        Ok(outcome.count_found(rows.len()))
    }

    async fn place_urls(&mut self, rows: &[BulkUrl], outcome: &mut Outcome) -> Result<()> {
        let with_new_ids = rows.iter().any(|row| row.id.is_none());
        let mut unplaced: Vec<Unplaced> = Vec::new();
        for _ in 0..ROUNDS {
            self.reserve_codes().await?;
            outcome.created += self.run(INSERT_WITH_ID).await?;
            if with_new_ids {
                self.advance_sequence(Numbered::Urls).await?;
                outcome.created += self.run(INSERT_WITHOUT_ID).await?;
            }
            if outcome.created + (outcome.refused.len() as u64) == rows.len() as u64 {
                break;
            }
            unplaced = on_tx!(self.tx, |conn| sqlx::query_as(UNPLACED).fetch_all(conn).await?);
            if unplaced.iter().all(|row| row.fault().is_some()) {
                break;
            }
            self.recode(&unplaced).await?;
        }
        if !unplaced.is_empty() {
            self.run(RELEASE_CODES).await?;
        }
        for row in unplaced {
            let (field, why) = row.fault().unwrap_or(("short_code", CHANGED_MEANWHILE));
            outcome.refuse(row.nth, field, why);
        }
        if outcome.created > 0 {
            self.run(BEGIN_TOTALS).await?;
        }
        Ok(())
    }

    /// Reserves the codes of staged rows that are free, and marks these rows.
    async fn reserve_codes(&mut self) -> Result<()> {
        let reserved: Vec<String> = on_tx!(self.tx, |conn| sqlx::query_scalar(RESERVE_CODES).fetch_all(conn).await?);
        let codes = vec![Column::Texts(reserved.iter().map(String::as_str).collect())];
        self.tx.change_rows(MARK_RESERVED, codes).await?;
        Ok(())
    }

    /// Gives a new code to rows whose generated code is or was another link's.
    async fn recode(&mut self, unplaced: &[Unplaced]) -> Result<()> {
        for row in unplaced.iter().filter(|row| !row.is_chosen && row.code_holders + row.retired > 0) {
            let code = ShortCode::generate();
            on_tx!(self.tx, |conn| {
                sqlx::query(RECODE).bind(row.nth).bind(&code).execute(conn).await?;
            });
        }
        Ok(())
    }
}
