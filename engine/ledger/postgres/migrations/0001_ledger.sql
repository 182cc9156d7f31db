-- The ledger on Postgres, in a schema of its own (search_path leads there). The tables are those of the embedded ledger, apart from
-- what a home decides alone: indexes, the lock as a row, leases by the server's clock. Every instant is an instant (timestamptz).

CREATE TABLE ledger_meta (
    only_row boolean PRIMARY KEY CHECK (only_row),
    project text NOT NULL,
    environment text NOT NULL,
    lineage uuid NOT NULL,
    serial bigint NOT NULL,
    head_hash text NOT NULL,
    schema_version integer NOT NULL,
    min_engine text NOT NULL,
    pseudonyms text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_now timestamptz
);

-- One row for each committed transaction; each head_hash covers the one before it, and `covers`, the hash of what the transaction
-- wrote. done_at is the caller's, committed_at the server's.
CREATE TABLE transactions (
    serial bigint PRIMARY KEY,
    head_hash text NOT NULL,
    kind text NOT NULL,
    done_at timestamptz NOT NULL,
    covers text NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The plan's lock: taken for plan, guards and the commit of planned rows. Free when there is no holder, or the lease is over.
-- The token grows with each holder and is the fence: only the one whose token it is commits a plan.
CREATE TABLE plan_lock (
    only_row boolean PRIMARY KEY CHECK (only_row),
    token bigint NOT NULL,
    holder text,
    host text,
    pid bigint,
    since timestamptz,
    lease_until timestamptz,
    CHECK (holder IS NULL OR (host IS NOT NULL AND pid IS NOT NULL AND since IS NOT NULL AND lease_until IS NOT NULL))
);
INSERT INTO plan_lock VALUES (TRUE, 0, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE definitions_applied (digest text PRIMARY KEY, compiled text NOT NULL, first_run text NOT NULL, first_now timestamptz NOT NULL);

CREATE TABLE runs (
    run_id text PRIMARY KEY,
    serial bigint NOT NULL UNIQUE,
    now timestamptz NOT NULL,
    engine_version text NOT NULL,
    definitions_digest text NOT NULL,
    "commit" text,
    facts_digest text NOT NULL,
    plan_digest text NOT NULL,
    tzdata text,
    host text NOT NULL,
    pid bigint NOT NULL,
    overrides text NOT NULL,
    planned text NOT NULL,
    job text,
    ended_at timestamptz,
    outcome text,
    counts text
);

-- A later start of the same sequence or step is a further row; the one with the highest serial holds.
CREATE TABLE starts (sequence text, serial bigint, started timestamptz NOT NULL, PRIMARY KEY (sequence, serial));
CREATE TABLE step_starts (sequence text, step text, serial bigint, started timestamptz NOT NULL, PRIMARY KEY (sequence, step, serial));

-- What a sequence (step '') or a step is called, by the ids under which everything of it is kept; the one with the highest serial holds.
CREATE TABLE names (sequence text, step text, serial bigint, name text NOT NULL, since timestamptz NOT NULL, PRIMARY KEY (sequence, step, serial, since));

-- What a sequence said when an apply first followed it so: a row for each change of its trigger, its audience or its times.
CREATE TABLE followed (sequence text, serial bigint, said text NOT NULL, since timestamptz NOT NULL, day timestamptz NOT NULL, PRIMARY KEY (sequence, serial, since));

CREATE TABLE fact_counts (serial bigint, entity text, records bigint NOT NULL, PRIMARY KEY (serial, entity));

-- How a segment grew: a row where an apply counted other members than the one before.
CREATE TABLE segment_counts (serial bigint, segment text, members bigint NOT NULL, counted_at timestamptz NOT NULL, PRIMARY KEY (serial, segment));

-- The enrollments that a segment brought, at an apply or by hand.
CREATE TABLE segment_uses (segment text NOT NULL, sequence text NOT NULL, enrolled bigint NOT NULL, used_at timestamptz NOT NULL);

-- Notices to owners about what needs a person: one a day. They are no sends.
CREATE TABLE notices (
    owner text,
    day date,
    state text NOT NULL CHECK (state IN ('sending', 'sent', 'failed', 'unknown')),
    findings bigint NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (owner, day)
);

CREATE TABLE occurrences (
    sequence text,
    entity text,
    record text,
    occurrence text,
    base_at timestamptz NOT NULL,
    source text NOT NULL,
    override boolean NOT NULL,
    note text NOT NULL,
    taken_by text NOT NULL,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (sequence, entity, record, occurrence)
);

-- Identity and beginning never change; the three exit columns hold the latest exit and are NULL while the contact is on the way.
CREATE TABLE enrollments (
    sequence text,
    entity text,
    record text,
    occurrence text,
    contact text,
    base_date date,
    base_at timestamptz,
    began timestamptz NOT NULL,
    run_id text NOT NULL,
    exit_at timestamptz,
    exit_reason text,
    exit_final boolean,
    PRIMARY KEY (sequence, entity, record, occurrence, contact),
    CHECK ((exit_at IS NULL) = (exit_reason IS NULL) AND (exit_at IS NULL) = (exit_final IS NULL))
);
CREATE INDEX enrollments_on_the_way ON enrollments (sequence) WHERE exit_final IS NOT TRUE;

CREATE TABLE enrollment_history (
    sequence text NOT NULL,
    entity text NOT NULL,
    record text NOT NULL,
    occurrence text NOT NULL,
    contact text NOT NULL,
    serial bigint NOT NULL,
    happened_at timestamptz NOT NULL,
    happened text NOT NULL CHECK (happened IN ('returned', 'exited')),
    reason text,
    final boolean,
    run_id text NOT NULL
);

-- One row a send key, whatever becomes of it. `number` is the order of appending.
CREATE TABLE sends (
    send_key uuid PRIMARY KEY,
    number bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
    sequence text NOT NULL,
    step text NOT NULL,
    entity text NOT NULL,
    record text NOT NULL,
    occurrence text NOT NULL,
    contact text NOT NULL,
    state text NOT NULL,
    reason text,
    detail text,
    due_at timestamptz,
    expires_at timestamptz,
    not_before timestamptz,
    decided_at timestamptz NOT NULL,
    judged_at timestamptz NOT NULL,
    run_id text NOT NULL,
    template text,
    locale text,
    category text,
    topic text,
    address_key text,
    position bigint,
    token bigint NOT NULL DEFAULT 0,
    owner text,
    -- By the server's clock, never by a worker's.
    lease_until timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    ambiguous boolean NOT NULL DEFAULT FALSE,
    transport text,
    -- Until then the provider surely knows the key again: first dispatch + what it promises - a margin. NULL where it takes none.
    -- By the caller's now and by the server's clock; the key is known only while both say so.
    known_until timestamptz,
    known_by_clock timestamptz,
    payload_hash text,
    message_id text,
    provider_message_id text,
    first_dispatch_at timestamptz,
    sent_at timestamptz,
    updated_at timestamptz NOT NULL,
    CHECK (state IN ('planned', 'claimed', 'dispatching', 'sent', 'failed', 'unknown', 'skipped', 'cancelled')),
    CHECK (state NOT IN ('claimed', 'dispatching') OR (owner IS NOT NULL AND lease_until IS NOT NULL AND token > 0)),
    CHECK (state <> 'dispatching' OR (payload_hash IS NOT NULL AND first_dispatch_at IS NOT NULL)),
    CHECK (state IN ('skipped', 'cancelled') OR (address_key IS NOT NULL AND template IS NOT NULL AND due_at IS NOT NULL)),
    CHECK (state NOT IN ('skipped', 'cancelled', 'failed') OR (reason IS NOT NULL AND NOT ambiguous)),
    CHECK (state <> 'sent' OR sent_at IS NOT NULL),
    CHECK ((known_until IS NULL) = (known_by_clock IS NULL)),
    CHECK (token >= 0 AND attempts >= 0)
);
CREATE INDEX sends_planned ON sends (position, due_at, number) WHERE state = 'planned';
CREATE INDEX sends_held ON sends (lease_until) WHERE state IN ('claimed', 'dispatching');
CREATE INDEX sends_in_doubt ON sends (decided_at) WHERE state = 'unknown';
CREATE INDEX sends_of_occurrence ON sends (sequence, entity, record, occurrence);
CREATE INDEX sends_decided ON sends (decided_at, number);

-- One mail for an address, step, record and occurrence (4.6). A slot is never deleted: its holder changes when the holder's send
-- was cancelled, skipped or went to another address.
CREATE TABLE address_slots (
    sequence text,
    step text,
    entity text,
    record text,
    occurrence text,
    address_key text,
    holder uuid NOT NULL,
    PRIMARY KEY (sequence, step, entity, record, occurrence, address_key)
);

-- Personal data apart from the rows that stay: both tables are erasable.
CREATE TABLE pii (send_key uuid PRIMARY KEY, address text, name text, variables text);
CREATE TABLE payloads (send_key uuid PRIMARY KEY, sender text NOT NULL, recipient text NOT NULL, subject text NOT NULL, payload bytea NOT NULL);

CREATE TABLE attempts (
    send_key uuid,
    token bigint,
    started_at timestamptz NOT NULL,
    transport text NOT NULL,
    PRIMARY KEY (send_key, token)
);

-- What was said of an attempt. Several may speak: a late acknowledgement stands beside the failure before it.
CREATE TABLE outcomes (
    send_key uuid NOT NULL,
    token bigint NOT NULL,
    said_at timestamptz NOT NULL,
    outcome text NOT NULL,
    became text NOT NULL,
    phase text NOT NULL,
    code integer,
    enhanced_code text NOT NULL,
    text text NOT NULL
);
CREATE INDEX outcomes_of_send ON outcomes (send_key);

-- In force while lifted_at is NULL.
CREATE TABLE controls (
    order_id text NOT NULL,
    scope text NOT NULL CHECK (scope IN ('project', 'sequence', 'enrollment')),
    action text NOT NULL CHECK (action IN ('stopped', 'paused', 'cancelled')),
    sequence text,
    entity text,
    record text,
    occurrence text,
    contact text,
    until timestamptz,
    ordered_by text NOT NULL,
    ordered_at timestamptz NOT NULL,
    note text NOT NULL,
    lifted_at timestamptz,
    lifted_by text,
    CHECK (scope <> 'project' OR sequence IS NULL),
    CHECK (scope <> 'sequence' OR sequence IS NOT NULL)
);
CREATE INDEX controls_in_force ON controls (sequence) WHERE lifted_at IS NULL;

CREATE TABLE suppressions (
    order_id text NOT NULL,
    address_key text NOT NULL,
    reason text NOT NULL CHECK (reason IN ('bounce', 'complaint', 'unsubscribed', 'manual')),
    topic text,
    since timestamptz NOT NULL,
    ordered_by text NOT NULL,
    note text NOT NULL,
    lifted_at timestamptz,
    lifted_by text
);
CREATE INDEX suppressions_in_force ON suppressions (address_key) WHERE lifted_at IS NULL;

-- The gate of orders. Whoever writes a control or a suppression holds it alone until the commit; a dispatch (T3) shares it while
-- it looks and commits. So no send is dispatched after a committed suppression. The lock ends with its transaction.
CREATE FUNCTION close_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1701736292, hashtext(TG_TABLE_SCHEMA));
    RETURN NULL;
END
$$;
CREATE TRIGGER gate BEFORE INSERT ON controls FOR EACH STATEMENT EXECUTE FUNCTION close_gate();
CREATE TRIGGER gate BEFORE INSERT ON suppressions FOR EACH STATEMENT EXECUTE FUNCTION close_gate();

-- Orders taken in, each exactly once: the id is the inbox file's name.
CREATE TABLE orders (order_id text PRIMARY KEY, taken_at timestamptz NOT NULL, written text NOT NULL);

-- The times of a schedule, and of `once`, that were taken: nobody enters by one again (semantics 3.4).
CREATE TABLE ticks (sequence text, tick text, base_at timestamptz NOT NULL, closed_at timestamptz NOT NULL, PRIMARY KEY (sequence, tick));

-- Who is in the segment that a sequence with `enters` waits on, as its last apply saw it, and under which rules (semantics 3.3). A row is never
-- deleted; of the rosters the one with the highest serial holds, and '' says that the members were not kept since.
CREATE TABLE memberships (sequence text, record text, member boolean NOT NULL, changed_at timestamptz NOT NULL, PRIMARY KEY (sequence, record));
CREATE TABLE rosters (sequence text, serial bigint, digest text NOT NULL, kept_at timestamptz NOT NULL, PRIMARY KEY (sequence, serial));

-- What happened to records, as `engine event` and the web service told it: one row an event, however often it came (semantics 3.2).
CREATE TABLE inbox_events (
    event text,
    event_id text,
    entity text NOT NULL,
    record text NOT NULL,
    happened_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    told_by text NOT NULL,
    PRIMARY KEY (event, event_id)
);

-- Feedback beside the sends, append-only: it may come twice and in any order.
CREATE TABLE events (
    provider text,
    provider_event_id text,
    send_key uuid,
    kind text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    raw_hash text NOT NULL,
    PRIMARY KEY (provider, provider_event_id)
);
