"""What every life of the crash tests imports sooner or later, once: each life is forked from the process that has it.

Nothing is opened here, for a fork carries no open database over.
"""

from __future__ import annotations

import atexit
import gc

import dateutil.relativedelta
import pyarrow.compute
import sqlglot.dialects.duckdb

import engine.cli.apply
import engine.facts.duckdb
import engine.ledger.postgres
import engine.plan.gates
import engine.runs.applying
import engine.views.applied
import tests.crash.worker
import tests.smtp_server

__all__ = ["dateutil", "engine", "pyarrow", "sqlglot", "tests"]

# What is imported stays where it is: a life that collects garbage copies no page of it.
gc.collect()
gc.freeze()
atexit.register(gc.unfreeze)
