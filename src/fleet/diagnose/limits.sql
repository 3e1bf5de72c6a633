SELECT
    current_setting('max_connections')::bigint
        - current_setting('superuser_reserved_connections')::bigint
        - coalesce(current_setting('reserved_connections', true), '0')::bigint AS server,
    (SELECT rolconnlimit::bigint FROM pg_catalog.pg_roles WHERE rolname = current_user) AS role,
    (SELECT datconnlimit::bigint FROM pg_catalog.pg_database WHERE datname = current_database()) AS database,
    (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend') AS used
