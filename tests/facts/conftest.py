"""The real Postgres that these tests read from."""

from tests.postgres_server import postgres

__all__ = ["postgres"]
