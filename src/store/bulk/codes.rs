//! Codes once used, in bulk.

use super::{
    Bulk, BulkCode, Outcome,
    cell::Cell,
    staging::{Staging, staging},
};
use crate::db::Result;

const STAGING: Staging = staging!("import_codes", "short_code, retired_at");
const IN_USE: &str = r"
    DELETE FROM import_codes
    WHERE (SELECT count(*) FROM urls u WHERE u.short_code = import_codes.short_code) > 0
    RETURNING nth
";
const INSERT: &str = r"
    INSERT INTO codes (short_code, retired_at)
    SELECT short_code, retired_at FROM import_codes
    WHERE nth >= 0
    ORDER BY nth
    ON CONFLICT DO NOTHING
";

impl BulkCode {
    fn cells(&self) -> [Cell<'_>; 2] {
        [Cell::Text(Some(self.short_code.as_str())), Cell::Time(Some(self.retired_at))]
    }
}

impl Bulk<'_> {
    /// Keeps codes from being given to a link. A code that a link has now is refused.
    pub async fn codes(&mut self, rows: &[BulkCode]) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        self.stage(&STAGING, rows.iter().map(BulkCode::cells).collect()).await?;
        self.refuse(IN_USE, "short_code", "is the code of a link that is there", &mut outcome).await?;
        outcome.created = self.run(INSERT).await?;
        Ok(outcome.count_found(rows.len()))
    }
}
