-- What a plan works on: the definitions as rows, and the tables that its passes fill.

-- `known_from` is when the ledger was restored without all that was sent before: what was due then may have left (NULL for nearly all).
CREATE OR REPLACE TEMP TABLE clock (now TIMESTAMP, pass INTEGER, known_from TIMESTAMP);
CREATE OR REPLACE TEMP TABLE seqs (
    sequence VARCHAR, no INTEGER, entity VARCHAR, kind VARCHAR, status VARCHAR, zone VARCHAR, start TIMESTAMP, may_enter BOOLEAN,
    at_us BIGINT, gap_count BIGINT, gap_unit VARCHAR, reenter VARCHAR, again_count BIGINT, again_unit VARCHAR,
    is_contact BOOLEAN, audience_max BIGINT, guarded BOOLEAN, backfilled BOOLEAN, on_a_date BOOLEAN, priority INTEGER,
    every BIGINT, every_months BOOLEAN, horizon_from DATE, horizon_to DATE,
    -- Whose zone counts, which calendar `bd` goes by, and when mail may leave; calendars.sql has the tables.
    by_recipient BOOLEAN, cal VARCHAR, win VARCHAR,
    -- Several records of one contact are one mail (4.8).
    combined BOOLEAN
);
CREATE OR REPLACE TEMP TABLE steps (
    sequence VARCHAR, pos INTEGER, step VARCHAR, kind VARCHAR, sign INTEGER, count BIGINT, unit VARCHAR, at_us BIGINT,
    exp_count BIGINT, exp_unit VARCHAR, active BOOLEAN, start TIMESTAMP, has_if BOOLEAN
);
-- Only the templates of each sequence's active steps: what somebody must be able to get to be in the audience (4.2).
CREATE OR REPLACE TEMP TABLE reach (sequence VARCHAR, category VARCHAR, topic VARCHAR);
CREATE OR REPLACE TEMP TABLE templates (template VARCHAR, type VARCHAR, category VARCHAR, topic VARCHAR, active BOOLEAN);
CREATE OR REPLACE TEMP TABLE opt_ins (topic VARCHAR);
CREATE OR REPLACE TEMP TABLE locales (template VARCHAR, wanted VARCHAR, locale VARCHAR);

-- Time zones: from which instant, and from which wall time, which offset from UTC holds; `fixed` is the instant of a wall time that does not exist.
CREATE OR REPLACE TEMP TABLE zone_offsets (zone VARCHAR, utc_from TIMESTAMP, off BIGINT);
CREATE OR REPLACE TEMP TABLE zone_walls (zone VARCHAR, wall_from TIMESTAMP, off BIGINT, fixed TIMESTAMP);

-- The value of each date trigger for each record of its entity.
CREATE OR REPLACE TEMP TABLE valued (sequence VARCHAR, record VARCHAR, value_at TIMESTAMP, in_range BOOLEAN, matches BOOLEAN);
-- Occurrences: the distinct values of date triggers, when each of their steps is due, and their life (3.6).
CREATE OR REPLACE TEMP TABLE bases (sequence VARCHAR, occurrence VARCHAR, value_at TIMESTAMP, base_date DATE, base_at TIMESTAMP, records BIGINT);
-- `raw` is the moment before the send window.
CREATE OR REPLACE TEMP TABLE dues (sequence VARCHAR, occurrence VARCHAR, pos INTEGER, zone VARCHAR, raw TIMESTAMP, due TIMESTAMP, own_expiry TIMESTAMP, expiry TIMESTAMP);
CREATE OR REPLACE TEMP TABLE life (sequence VARCHAR, occurrence VARCHAR, opens TIMESTAMP, closes TIMESTAMP);
CREATE OR REPLACE TEMP TABLE occ (
    sequence VARCHAR, entity VARCHAR, record VARCHAR, occurrence VARCHAR, base_date DATE, base_at TIMESTAMP, override BOOLEAN
);
CREATE OR REPLACE TEMP TABLE taken (
    sequence VARCHAR, entity VARCHAR, record VARCHAR, occurrence VARCHAR, base_at TIMESTAMP, source VARCHAR, override BOOLEAN, fresh BOOLEAN, note VARCHAR
);
-- Events ahead of now, which have not begun.
CREATE OR REPLACE TEMP TABLE begin_later (sequence VARCHAR, record VARCHAR, base_at TIMESTAMP);
-- When a step may go again for a record (3.8), where a gap is kept.
CREATE OR REPLACE TEMP TABLE gap_sends (sequence VARCHAR, step VARCHAR, record VARCHAR, occurrence VARCHAR, contact VARCHAR, free_at TIMESTAMP);
CREATE OR REPLACE TEMP TABLE standing (sequence VARCHAR, record VARCHAR, matches BOOLEAN, occurrence VARCHAR, value_at TIMESTAMP);
CREATE OR REPLACE TEMP TABLE early_ones (sequence VARCHAR, earlier BIGINT, would BIGINT, days BIGINT);
CREATE OR REPLACE TEMP TABLE named (sequence VARCHAR, reason VARCHAR, records BIGINT);

-- People and what they may get.
CREATE OR REPLACE TEMP TABLE audience (sequence VARCHAR, record VARCHAR, contact VARCHAR, grp INTEGER, pos BIGINT);
CREATE OR REPLACE TEMP TABLE people (
    contact VARCHAR, address VARCHAR, address_key VARCHAR, fault VARCHAR, active BOOLEAN, language VARCHAR, name VARCHAR, suppressed VARCHAR, zone VARCHAR
);
CREATE OR REPLACE TEMP TABLE refusals (address VARCHAR, topic VARCHAR);
CREATE OR REPLACE TEMP TABLE denials (address VARCHAR, topic VARCHAR);
CREATE OR REPLACE TEMP TABLE consents (address VARCHAR, topic VARCHAR);

-- Enrollments that the ledger knows, as they stand now; and who may not enter a sequence again, until when (3.9).
CREATE OR REPLACE TEMP TABLE known_now (
    sequence VARCHAR, entity VARCHAR, record VARCHAR, occurrence VARCHAR, contact VARCHAR, base_date DATE, base_at TIMESTAMP, exit_at TIMESTAMP,
    exit_reason VARCHAR, exit_final BOOLEAN, live BOOLEAN, record_there BOOLEAN, gone VARCHAR, in_audience BOOLEAN, contact_there BOOLEAN, lives_again BOOLEAN
);
CREATE OR REPLACE TEMP TABLE barred (sequence VARCHAR, contact VARCHAR, lives BOOLEAN, free_at TIMESTAMP);

-- Rules judged for pairs of record and contact: what is in here holds. `chosen` is the template of a step with several.
CREATE OR REPLACE TEMP TABLE holds (sequence VARCHAR, rule VARCHAR, record VARCHAR, contact VARCHAR);
CREATE OR REPLACE TEMP TABLE chosen (sequence VARCHAR, step VARCHAR, record VARCHAR, contact VARCHAR, template VARCHAR);
CREATE OR REPLACE TEMP TABLE missing (sequence VARCHAR, step VARCHAR, record VARCHAR, contact VARCHAR, variable VARCHAR);

-- The due moments of `wait` steps at this pass.
CREATE OR REPLACE TEMP TABLE waits (id BIGINT, raw TIMESTAMP, due TIMESTAMP, expiry TIMESTAMP);
-- Those whose step is due at this pass, and the first gate that does not pass.
CREATE OR REPLACE TEMP TABLE judged (
    id BIGINT, sequence VARCHAR, entity VARCHAR, record VARCHAR, occurrence VARCHAR, contact VARCHAR, step VARCHAR, pos INTEGER, due TIMESTAMP,
    expiry TIMESTAMP, is_record BOOLEAN, template VARCHAR, locale VARCHAR, category VARCHAR, topic VARCHAR, address VARCHAR, address_key VARCHAR,
    name VARCHAR, step_fault VARCHAR, taken_in_ledger BOOLEAN, too_soon BOOLEAN, variable VARCHAR, guarded BOOLEAN, winner VARCHAR, reason VARCHAR,
    late BOOLEAN
);
CREATE OR REPLACE TEMP TABLE decisions (
    decision VARCHAR, reason VARCHAR, sequence VARCHAR, step VARCHAR, pos INTEGER, entity VARCHAR, record VARCHAR, occurrence VARCHAR,
    contact VARCHAR, due TIMESTAMP, expiry TIMESTAMP, template VARCHAR, locale VARCHAR, category VARCHAR, topic VARCHAR,
    address VARCHAR, address_key VARCHAR, name VARCHAR, detail VARCHAR,
    -- Of a hold by a frequency cap: the send key of the mail that took the last place.
    winner VARCHAR,
    -- Of sends that are one mail: the row of its first record, and the place in it.
    mail BIGINT, item BIGINT
);

-- The key of a date is the date, of a timestamp its UTC instant; a fraction of a second stands only where there is one (3.1).
CREATE OR REPLACE TEMP MACRO occurrence_key(moment, on_a_date) AS CASE
    WHEN on_a_date THEN strftime(moment, '%Y-%m-%d')
    WHEN moment = date_trunc('second', moment) THEN strftime(moment, '%Y-%m-%dT%H:%M:%SZ')
    ELSE strftime(moment, '%Y-%m-%dT%H:%M:%S.%fZ')
END;

-- Gates that hold: they are asked of a step afresh by every plan, and of one that came too late, to say why (5.6).
CREATE OR REPLACE TEMP MACRO holding(reason) AS reason IN ('contact_inactive', 'no_address', 'invalid_address', 'missing_variable', 'guard');

-- Keys that are whole numbers sort by value, others by code point after them.
CREATE OR REPLACE TEMP MACRO whole(k) AS TRY_CAST(CASE WHEN regexp_full_match(k, '-?[0-9]{1,37}') THEN k END AS HUGEINT);
CREATE OR REPLACE TEMP TABLE step_template (sequence VARCHAR, step VARCHAR, template VARCHAR);
CREATE OR REPLACE TEMP TABLE sheets (
    sequence VARCHAR, entity VARCHAR, record VARCHAR, occurrence VARCHAR, contact VARCHAR, is_record BOOLEAN, step VARCHAR, pos INTEGER,
    kind VARCHAR, due TIMESTAMP, expiry TIMESTAMP, start TIMESTAMP, decision VARCHAR, reason VARCHAR, template VARCHAR, step_fault VARCHAR,
    duplicate BOOLEAN, too_soon BOOLEAN, variable VARCHAR, guarded BOOLEAN, reached BOOLEAN, opens TIMESTAMP, cap VARCHAR
);
