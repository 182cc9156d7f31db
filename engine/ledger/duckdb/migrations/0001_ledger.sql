-- The embedded ledger. PRIMARY KEY and UNIQUE only: no secondary index, no foreign key, and no key column is ever updated
-- (reliability.md §3.8). Every instant is naive UTC.

CREATE TABLE ledger_meta (
    only_row BOOLEAN PRIMARY KEY CHECK (only_row),
    project VARCHAR NOT NULL,
    environment VARCHAR NOT NULL,
    lineage UUID NOT NULL,
    serial BIGINT NOT NULL,
    head_hash VARCHAR NOT NULL,
    schema_version INTEGER NOT NULL,
    min_engine VARCHAR NOT NULL,
    pseudonyms VARCHAR,
    created_at TIMESTAMP NOT NULL,
    last_now TIMESTAMP,
    next_number BIGINT NOT NULL
);

-- One row for each committed transaction; each head_hash covers the one before it, and `covers`, the hash of what the transaction wrote.
CREATE TABLE transactions (
    serial BIGINT PRIMARY KEY, head_hash VARCHAR NOT NULL, kind VARCHAR NOT NULL, done_at TIMESTAMP NOT NULL, covers VARCHAR NOT NULL
);

CREATE TABLE definitions_applied (
    digest VARCHAR PRIMARY KEY,
    compiled VARCHAR NOT NULL,
    first_run VARCHAR NOT NULL,
    first_now TIMESTAMP NOT NULL
);

CREATE TABLE runs (
    run_id VARCHAR PRIMARY KEY,
    serial BIGINT NOT NULL,
    now TIMESTAMP NOT NULL,
    engine_version VARCHAR NOT NULL,
    definitions_digest VARCHAR NOT NULL,
    "commit" VARCHAR,
    facts_digest VARCHAR NOT NULL,
    plan_digest VARCHAR NOT NULL,
    tzdata VARCHAR,
    host VARCHAR NOT NULL,
    pid BIGINT NOT NULL,
    overrides VARCHAR NOT NULL,
    planned VARCHAR NOT NULL,
    job VARCHAR,
    ended_at TIMESTAMP,
    outcome VARCHAR,
    counts VARCHAR
);

-- A later start of the same sequence or step is a further row; the one with the highest serial holds.
CREATE TABLE starts (sequence VARCHAR, serial BIGINT, started TIMESTAMP NOT NULL, PRIMARY KEY (sequence, serial));
CREATE TABLE step_starts (sequence VARCHAR, step VARCHAR, serial BIGINT, started TIMESTAMP NOT NULL, PRIMARY KEY (sequence, step, serial));

-- What a sequence (step '') or a step is called, by the ids under which everything of it is kept; the one with the highest serial holds.
CREATE TABLE names (sequence VARCHAR, step VARCHAR, serial BIGINT, name VARCHAR NOT NULL, since TIMESTAMP NOT NULL, PRIMARY KEY (sequence, step, serial, since));

-- What a sequence said when an apply first followed it so: a row for each change of its trigger, its audience or its times.
CREATE TABLE followed (sequence VARCHAR, serial BIGINT, said VARCHAR NOT NULL, since TIMESTAMP NOT NULL, day TIMESTAMP NOT NULL, PRIMARY KEY (sequence, serial, since));

CREATE TABLE fact_counts (serial BIGINT, entity VARCHAR, records BIGINT NOT NULL, PRIMARY KEY (serial, entity));

-- How a segment grew: a row where an apply counted other members than the one before.
CREATE TABLE segment_counts (serial BIGINT, segment VARCHAR, members BIGINT NOT NULL, counted_at TIMESTAMP NOT NULL, PRIMARY KEY (serial, segment));

-- The enrollments that a segment brought, at an apply or by hand.
CREATE TABLE segment_uses (segment VARCHAR NOT NULL, sequence VARCHAR NOT NULL, enrolled BIGINT NOT NULL, used_at TIMESTAMP NOT NULL);

-- Notices to owners about what needs a person: one a day. They are no sends.
CREATE TABLE notices (
    owner VARCHAR,
    day DATE,
    state VARCHAR NOT NULL CHECK (state IN ('sending', 'sent', 'failed', 'unknown')),
    findings BIGINT NOT NULL,
    told_at TIMESTAMP NOT NULL,
    PRIMARY KEY (owner, day)
);

CREATE TABLE occurrences (
    sequence VARCHAR,
    entity VARCHAR,
    record VARCHAR,
    occurrence VARCHAR,
    base_at TIMESTAMP NOT NULL,
    source VARCHAR NOT NULL,
    override BOOLEAN NOT NULL,
    note VARCHAR NOT NULL,
    taken_by VARCHAR NOT NULL,
    taken_at TIMESTAMP NOT NULL,
    PRIMARY KEY (sequence, entity, record, occurrence)
);

-- Identity and beginning never change; the three exit columns hold the latest exit and are NULL while the contact is on the way.
CREATE TABLE enrollments (
    sequence VARCHAR,
    entity VARCHAR,
    record VARCHAR,
    occurrence VARCHAR,
    contact VARCHAR,
    base_date DATE,
    base_at TIMESTAMP,
    began TIMESTAMP NOT NULL,
    run_id VARCHAR NOT NULL,
    exit_at TIMESTAMP,
    exit_reason VARCHAR,
    exit_final BOOLEAN,
    PRIMARY KEY (sequence, entity, record, occurrence, contact),
    CHECK ((exit_at IS NULL) = (exit_reason IS NULL) AND (exit_at IS NULL) = (exit_final IS NULL))
);

CREATE TABLE enrollment_history (
    sequence VARCHAR NOT NULL,
    entity VARCHAR NOT NULL,
    record VARCHAR NOT NULL,
    occurrence VARCHAR NOT NULL,
    contact VARCHAR NOT NULL,
    serial BIGINT NOT NULL,
    happened_at TIMESTAMP NOT NULL,
    happened VARCHAR NOT NULL CHECK (happened IN ('returned', 'exited')),
    reason VARCHAR,
    final BOOLEAN,
    run_id VARCHAR NOT NULL
);

-- One row a send key, whatever becomes of it. `number` is the order of appending: rows of one plan lie together.
CREATE TABLE sends (
    send_key UUID PRIMARY KEY,
    number BIGINT NOT NULL,
    sequence VARCHAR NOT NULL,
    step VARCHAR NOT NULL,
    entity VARCHAR NOT NULL,
    record VARCHAR NOT NULL,
    occurrence VARCHAR NOT NULL,
    contact VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    reason VARCHAR,
    detail VARCHAR,
    due_at TIMESTAMP,
    expires_at TIMESTAMP,
    not_before TIMESTAMP,
    decided_at TIMESTAMP NOT NULL,
    judged_at TIMESTAMP NOT NULL,
    run_id VARCHAR NOT NULL,
    template VARCHAR,
    locale VARCHAR,
    category VARCHAR,
    topic VARCHAR,
    address_key VARCHAR,
    position BIGINT,
    token BIGINT NOT NULL DEFAULT 0,
    owner VARCHAR,
    lease_until TIMESTAMP,
    attempts INTEGER NOT NULL DEFAULT 0,
    ambiguous BOOLEAN NOT NULL DEFAULT FALSE,
    transport VARCHAR,
    -- Until then the provider surely knows the key again: first dispatch + what it promises - a margin. NULL where it takes none.
    known_until TIMESTAMP,
    payload_hash VARCHAR,
    message_id VARCHAR,
    provider_message_id VARCHAR,
    first_dispatch_at TIMESTAMP,
    sent_at TIMESTAMP,
    updated_at TIMESTAMP NOT NULL,
    CHECK (state IN ('planned', 'claimed', 'dispatching', 'sent', 'failed', 'unknown', 'skipped', 'cancelled')),
    CHECK (state NOT IN ('claimed', 'dispatching') OR (owner IS NOT NULL AND lease_until IS NOT NULL AND token > 0)),
    CHECK (state <> 'dispatching' OR (payload_hash IS NOT NULL AND first_dispatch_at IS NOT NULL)),
    CHECK (state IN ('skipped', 'cancelled') OR (address_key IS NOT NULL AND template IS NOT NULL AND due_at IS NOT NULL)),
    CHECK (state NOT IN ('skipped', 'cancelled', 'failed') OR (reason IS NOT NULL AND NOT ambiguous)),
    CHECK (state <> 'sent' OR sent_at IS NOT NULL),
    CHECK (token >= 0 AND attempts >= 0)
);

-- One mail for an address, step, record and occurrence (4.6). A slot is never deleted: its holder changes when the holder's send
-- was cancelled, skipped or went to another address, so that no key column is updated and no key is deleted and inserted again.
CREATE TABLE address_slots (
    sequence VARCHAR,
    step VARCHAR,
    entity VARCHAR,
    record VARCHAR,
    occurrence VARCHAR,
    address_key VARCHAR,
    holder UUID NOT NULL,
    PRIMARY KEY (sequence, step, entity, record, occurrence, address_key)
);

-- Personal data apart from the rows that stay: both tables are erasable.
CREATE TABLE pii (send_key UUID PRIMARY KEY, number BIGINT NOT NULL, address VARCHAR, name VARCHAR, variables VARCHAR);
CREATE TABLE payloads (
    send_key UUID PRIMARY KEY,
    number BIGINT NOT NULL,
    sender VARCHAR NOT NULL,
    recipient VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    payload BLOB NOT NULL
);

CREATE TABLE attempts (
    send_key UUID,
    token BIGINT,
    started_at TIMESTAMP NOT NULL,
    transport VARCHAR NOT NULL,
    PRIMARY KEY (send_key, token)
);

-- What was said of an attempt. Several may speak: a late acknowledgement stands beside the failure before it.
CREATE TABLE outcomes (
    send_key UUID NOT NULL,
    token BIGINT NOT NULL,
    said_at TIMESTAMP NOT NULL,
    outcome VARCHAR NOT NULL,
    became VARCHAR NOT NULL,
    phase VARCHAR NOT NULL,
    code INTEGER,
    enhanced_code VARCHAR NOT NULL,
    text VARCHAR NOT NULL
);

-- In force while lifted_at is NULL.
CREATE TABLE controls (
    order_id VARCHAR NOT NULL,
    scope VARCHAR NOT NULL CHECK (scope IN ('project', 'sequence', 'enrollment')),
    action VARCHAR NOT NULL CHECK (action IN ('stopped', 'paused', 'cancelled')),
    sequence VARCHAR,
    entity VARCHAR,
    record VARCHAR,
    occurrence VARCHAR,
    contact VARCHAR,
    until TIMESTAMP,
    ordered_by VARCHAR NOT NULL,
    ordered_at TIMESTAMP NOT NULL,
    note VARCHAR NOT NULL,
    lifted_at TIMESTAMP,
    lifted_by VARCHAR,
    CHECK (scope <> 'project' OR sequence IS NULL),
    CHECK (scope <> 'sequence' OR sequence IS NOT NULL)
);

CREATE TABLE suppressions (
    order_id VARCHAR NOT NULL,
    address_key VARCHAR NOT NULL,
    reason VARCHAR NOT NULL CHECK (reason IN ('bounce', 'complaint', 'unsubscribed', 'manual')),
    topic VARCHAR,
    since TIMESTAMP NOT NULL,
    ordered_by VARCHAR NOT NULL,
    note VARCHAR NOT NULL,
    lifted_at TIMESTAMP,
    lifted_by VARCHAR
);

-- Orders taken in, each exactly once: the id is the inbox file's name.
CREATE TABLE orders (order_id VARCHAR PRIMARY KEY, taken_at TIMESTAMP NOT NULL, written VARCHAR NOT NULL);

-- The times of a schedule, and of `once`, that were taken: nobody enters by one again (semantics 3.4).
CREATE TABLE ticks (sequence VARCHAR, tick VARCHAR, base_at TIMESTAMP NOT NULL, closed_at TIMESTAMP NOT NULL, PRIMARY KEY (sequence, tick));

-- Who is in the segment that a sequence with `enters` waits on, as its last apply saw it, and under which rules (semantics 3.3). A row is never
-- deleted; of the rosters the one with the highest serial holds, and '' says that the members were not kept since.
CREATE TABLE memberships (sequence VARCHAR, record VARCHAR, member BOOLEAN NOT NULL, changed_at TIMESTAMP NOT NULL, PRIMARY KEY (sequence, record));
CREATE TABLE rosters (sequence VARCHAR, serial BIGINT, digest VARCHAR NOT NULL, kept_at TIMESTAMP NOT NULL, PRIMARY KEY (sequence, serial));

-- What happened to records, as `engine event` and the web service told it: one row an event, however often it came (semantics 3.2).
CREATE TABLE inbox_events (
    event VARCHAR,
    event_id VARCHAR,
    entity VARCHAR NOT NULL,
    record VARCHAR NOT NULL,
    happened_at TIMESTAMP NOT NULL,
    received_at TIMESTAMP NOT NULL,
    told_by VARCHAR NOT NULL,
    PRIMARY KEY (event, event_id)
);

-- Feedback beside the sends, append-only: it may come twice and in any order.
CREATE TABLE events (
    provider VARCHAR,
    provider_event_id VARCHAR,
    send_key UUID,
    kind VARCHAR NOT NULL,
    occurred_at TIMESTAMP NOT NULL,
    received_at TIMESTAMP NOT NULL,
    raw_hash VARCHAR NOT NULL,
    PRIMARY KEY (provider, provider_event_id)
);
