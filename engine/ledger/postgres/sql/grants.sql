-- Rights on the tables, for those roles that there are (roles.sql makes them). Run with each migration.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'engine_apply') THEN
        GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO engine_apply;
        -- What is append-only stays so: no right to change or delete.
        GRANT INSERT ON transactions, definitions_applied, starts, step_starts, names, followed, fact_counts, ticks, rosters, occurrences, enrollment_history, attempts, outcomes, orders, events, inbox_events
            TO engine_apply;
        GRANT INSERT ON segment_counts, segment_uses, audience_counts TO engine_apply;
        GRANT INSERT, UPDATE ON notices TO engine_apply;
        GRANT INSERT, UPDATE ON memberships, runs, enrollments, sends, address_slots, controls, suppressions TO engine_apply;
        GRANT UPDATE ON ledger_meta, plan_lock TO engine_apply;
        GRANT INSERT, UPDATE, DELETE ON pii, payloads TO engine_apply;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'engine_plan') THEN
        GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO engine_plan;
        REVOKE ALL ON pii, payloads, events FROM engine_plan;
        -- Rules on history ask who opened and clicked.
        GRANT SELECT (send_key, kind, occurred_at) ON events TO engine_plan;
    END IF;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'engine_ingest') THEN
        GRANT SELECT ON ledger_meta TO engine_ingest;
        GRANT SELECT (send_key, state, address_key, message, message_id, provider_message_id) ON sends TO engine_ingest;
        GRANT SELECT, INSERT ON events, inbox_events, suppressions TO engine_ingest;
    END IF;
END
$$;
