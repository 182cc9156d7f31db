"""The real Postgres that the examples read from."""

from tests.postgres_server import postgres

__all__ = ["postgres"]
