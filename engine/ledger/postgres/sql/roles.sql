-- Who may do what, for an administrator to run once before `engine state create`; {schema} is the ledger's.
-- Each may log in and has no password yet: give it one, or a certificate. Rights on tables come with each migration (grants.sql).
--   engine_migrate  owns the schema: `engine state create`, `engine state migrate`
--   engine_apply    rows and no tables: `engine apply`, `engine deliver`, orders
--   engine_plan     reads what a plan needs, and neither addresses nor messages
--   engine_ingest   leaves events and suppressions
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['engine_migrate', 'engine_apply', 'engine_plan', 'engine_ingest'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', role);
        END IF;
        EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', role, CASE role WHEN 'engine_plan' THEN '10min' WHEN 'engine_ingest' THEN '30s' ELSE '0' END);
        -- A plan keeps its question in a table of its own session, so this role may make those.
        EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), role);
    END LOOP;
    ALTER ROLE engine_plan SET default_transaction_read_only = on;
END
$$;
CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION engine_migrate;
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;
GRANT USAGE ON SCHEMA {schema} TO engine_apply, engine_plan, engine_ingest;
