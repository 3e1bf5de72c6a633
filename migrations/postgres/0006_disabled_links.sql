-- Why a link is disabled: it then leads nowhere, whatever its owner says. Null where it is not. Without a default, so that no row
-- is rewritten; the version before neither reads nor writes it.
ALTER TABLE urls ADD COLUMN disabled_reason TEXT;
