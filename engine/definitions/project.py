"""`engine.yaml`: the project, its environments, sender, topics and guards. Secrets stay names until an environment is used."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, StrictInt, Tag, model_validator

from engine.definitions.base import CronText, FieldName, FileId, Model, Text, ZoneName, keyed, shape
from engine.definitions.caps import Cap
from engine.definitions.cron import Cron
from engine.definitions.idempotency import Idempotency
from engine.definitions.sequences import Guards
from engine.definitions.windows import HolidayCalendar


class EnvName(Model):
    """`{env: SMTP_PASSWORD}`: the value of an environment variable, read when it is used, and a secret."""

    env: Text


# A text that may hold ${VAR}, or the name of an environment variable.
Expandable = Annotated[Annotated[Text, Tag("<scalar>")] | Annotated[EnvName, Tag("<mapping>")], Discriminator(shape)]


class Sender(Model):
    name: Text
    address: Text
    reply_to: str | None = None
    postal_address: str | None = None


class Links(Model):
    unsubscribe: str | None = None


class DuckdbFacts(Model):
    duckdb: Text


class FilesFacts(Model):
    """Tables by name, each a .csv, .parquet, .json or .xlsx file."""

    files: dict[str, Text]


class PostgresFacts(Model):
    postgres: Annotated[Expandable, Field(repr=False)]
    schema_: str | None = Field(default=None, alias="schema")


class SnapshotFacts(Model):
    """A folder that `engine snapshot` made: records of one moment, for CI."""

    snapshot: Text


class DuckdbLedger(Model):
    duckdb: Text


class PostgresLedger(Model):
    """A schema of a database, `engine` if none is said; any number of workers share it."""

    postgres: Annotated[Expandable, Field(repr=False)]
    schema_: str | None = Field(default=None, alias="schema")


class Smtp(Model):
    host: Expandable
    port: StrictInt | Text = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    username: Annotated[Expandable | None, Field(repr=False)] = None
    password: Annotated[Expandable | None, Field(repr=False)] = None
    ca_file: str | None = None
    idempotency: Idempotency | None = None


class SmtpTransport(Model):
    smtp: Smtp


class OutboxOptions(Model):
    dir: Text


class OutboxTransport(Model):
    outbox: OutboxOptions


class Environment(Model):
    """Where facts come from, where the ledger lives and how mail leaves. Without `allow_recipients: ["*"]` a real
    transport writes only to what is listed; `redirect_to` sends all to one box."""

    facts: Annotated[
        Annotated[DuckdbFacts, Tag("<duckdb>")]
        | Annotated[FilesFacts, Tag("<files>")]
        | Annotated[PostgresFacts, Tag("<postgres>")]
        | Annotated[SnapshotFacts, Tag("<snapshot>")],
        Discriminator(keyed("duckdb", "files", "postgres", "snapshot")),
    ]
    ledger: Annotated[Annotated[DuckdbLedger, Tag("<duckdb>")] | Annotated[PostgresLedger, Tag("<postgres>")], Discriminator(keyed("duckdb", "postgres"))]
    transport: Annotated[
        Annotated[Literal["outbox", "console"], Tag("<scalar>")] | Annotated[SmtpTransport, Tag("<smtp>")] | Annotated[OutboxTransport, Tag("<outbox>")],
        Discriminator(keyed("smtp", "outbox")),
    ] = "outbox"
    allow_recipients: tuple[str, ...] = ()
    redirect_to: str | None = None


class Topic(Model):
    name: dict[str, str] = {}
    consent: Literal["opt_in", "opt_out"] = "opt_out"


class Job(Model):
    """A run that a scheduler starts: `engine apply --job NAME`. `cron` has five fields, in the project's timezone; without `select` all sequences."""

    cron: CronText
    select: Text | None = None

    @property
    def times(self) -> Cron:
        return Cron.parse(self.cron)


class Project(Model):
    """`engine.yaml`. The first locale is the fallback; the first environment is the default, and the safest."""

    format: Literal[1]
    name: Text
    timezone: ZoneName
    locales: tuple[str, ...] = Field(min_length=1)
    sender: Sender
    links: Links = Links()
    owners: dict[str, str] = {}
    testers: tuple[str, ...] = ()
    environments: dict[FieldName, Environment] = Field(min_length=1)
    topics: dict[str, Topic] = {}
    caps: tuple[Cap, ...] = ()
    holidays: dict[FieldName, HolidayCalendar] = {}
    guards: Guards = Guards()
    jobs: dict[FileId, Job] = {}

    @model_validator(mode="after")
    def _distinct_locales(self) -> Project:
        if len(set(self.locales)) != len(self.locales):
            raise ValueError("a locale is listed twice")
        return self

    @property
    def fallback(self) -> str:
        return self.locales[0]
