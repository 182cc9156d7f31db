"""An independent evaluator of semantics.md: naive, slow, written from the page and not from the code.

    moments.py      5     durations, wall times, clock changes
    calendars.py    5.4   holidays, business days, send windows
    model.py        3, 5  the definitions as a few small values
    facts.py        7.5   records, relations, paths
    rules.py        7     operators, exists, none, count, segments
    occurrences.py  3     triggers, starts, the life of an occurrence, due moments
    people.py       4     audience, addresses, categories, consent
    gates.py        6     one function a gate, GATES in the order of the page, the walk
    enrolling.py    6.18  who is considered: live, living again, new, unreached, upcoming
    mails.py        4.8   what is one mail, for caps and guards
    guards.py       10
    ledger.py       9.1   what is remembered, in memory
    evaluate.py     1     evaluate(project, facts, ledger, now) -> OraclePlan

    samples.py, worlds.py, ruling.py, editing.py   small random worlds and what happens to them
    timeline.py     the operations of a story, and the oracle's way through it
    writing.py      a world on disk, for the engine

Where later rules go: event, enters, schedule, once and `every` beside `_date_occurrences`; caps as a gate
behind `guard`; history rules (7.6) beside `rules._related`; 8.6 and 8.12 in
`occurrences.due_moment`; 8.7 in `ledger.history`; 8.8 in `occurrences.recorded_start` and the gate `trigger_gone`;
8.9 in the gate `before_introduction`. AMBIGUITIES.md says where the page was read in one of two ways.
"""
