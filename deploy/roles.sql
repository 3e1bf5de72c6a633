-- Two roles: buoy_migrate owns the tables and runs `buoy migrate`; buoy_service runs everything else and can only read and
-- write rows. Run it once as the database's owner, before the first migration, and give both roles a password:
--
--   psql "$OWNER_URL" -f deploy/roles.sql -c '\password buoy_migrate' -c '\password buoy_service'
CREATE ROLE buoy_migrate LOGIN;
CREATE ROLE buoy_service LOGIN;

GRANT USAGE, CREATE ON SCHEMA public TO buoy_migrate;
GRANT USAGE ON SCHEMA public TO buoy_service;

-- Each table that a migration creates, now or later.
ALTER DEFAULT PRIVILEGES FOR ROLE buoy_migrate IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO buoy_service;
-- UPDATE is for ids that an import brings: the sequence moves behind them.
ALTER DEFAULT PRIVILEGES FOR ROLE buoy_migrate IN SCHEMA public
  GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO buoy_service;
