"""The full counts: worlds against the oracle, random kills, and laws over random values. `python -m tests.soak --minutes 20`."""
