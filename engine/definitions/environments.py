"""The environment in use: `${VAR}` and `{env: NAME}` become values, only now and only here, and every one of them is a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

from engine.definitions.project import (
    DuckdbFacts,
    DuckdbLedger,
    Environment,
    EnvName,
    FilesFacts,
    OutboxTransport,
    PostgresFacts,
    PostgresLedger,
    Project,
    SmtpTransport,
    SnapshotFacts,
)
from engine.definitions.translating import did_you_mean
from engine.errors import EngineError, WrongUsage

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
MASK = "***"
READS = ("facts", "ledger")
SENDS = ("transport", "allow_recipients", "redirect_to")


class Secret:
    """A value that is shown as ***, however it is printed; `reveal()` gives it to the one who needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return MASK

    __repr__ = __str__

    def __format__(self, specification: str) -> str:
        return format(MASK, specification)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not written anywhere")


@dataclass(frozen=True)
class SendingSettings:
    """How an environment sends and to whom, in plain texts."""

    transport: str | SmtpTransport | OutboxTransport = field(repr=False)
    allow_recipients: tuple[str, ...] = field(repr=False)
    redirect_to: str | None = field(repr=False)


@dataclass(frozen=True)
class ResolvedEnvironment:
    """One environment with its variables filled in. Printing it shows no value that came from outside.

    `facts`, `ledger` and `sending` have plain texts, for those who connect; `secrets` are the values that came from
    the environment, by the variable's name, and `mask` takes them out of any text.
    """

    name: str
    facts: DuckdbFacts | FilesFacts | PostgresFacts | SnapshotFacts = field(repr=False)
    ledger: DuckdbLedger | PostgresLedger = field(repr=False)
    _sending: SendingSettings = field(repr=False)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    # The variables of `sending` that are not set, and of these the ones of its transport.
    _unset: tuple[str, ...] = ()
    _unset_of_transport: tuple[str, ...] = ()

    @property
    def sending(self) -> SendingSettings:
        """How it sends. EngineError where a variable of it is not set: what only reads asks for no secret of what sends."""
        if self._unset:
            raise EngineError(f"to send, the environment `{self.name}` needs {_not_set(self._unset)}", help=_set(self._unset[0]))
        return self._sending

    @property
    def outbox(self) -> OutboxTransport | Literal["outbox"] | None:
        """Its transport, where that makes files of mails. EngineError where a variable of the folder is not set."""
        transport = self._sending.transport
        if transport != "outbox" and not isinstance(transport, OutboxTransport):
            return None
        if self._unset_of_transport:
            raise EngineError(f"the outbox of the environment `{self.name}` needs {_not_set(self._unset_of_transport)}", help=_set(self._unset_of_transport[0]))
        return transport if isinstance(transport, OutboxTransport) else "outbox"

    def mask(self, text: str) -> str:
        return mask(text, self.secrets.values())


def resolve(project: Project, env_name: str | None, environ: Mapping[str, str]) -> ResolvedEnvironment:
    """The named environment, else the first. Raises WrongUsage for an unknown name, EngineError for variables of what it reads that are not set."""
    name = env_name or next(iter(project.environments))
    if name not in project.environments:
        raise WrongUsage(f"there is no environment `{name}`", help=did_you_mean(name, project.environments, "engine.yaml has"))
    environment = project.environments[name]
    filling, to_send = _Filling(environ), _Filling(environ)
    read = {key: filling.fill(getattr(environment, key)) for key in READS}
    transport = to_send.fill(environment.transport)
    of_transport = tuple(sorted(to_send.missing))
    sending = SendingSettings(transport, to_send.fill(environment.allow_recipients), to_send.fill(environment.redirect_to))
    unset = tuple(sorted(to_send.missing))
    if filling.missing:
        missing = sorted(filling.missing)
        only_to_send = [variable for variable in unset if variable not in filling.missing]
        too = f"; to send it needs {_listed(only_to_send)} too" if only_to_send else ""
        raise EngineError(f"the environment `{name}` needs {_not_set(missing)}", help=_set(missing[0]) + too)
    secrets = {**filling.secrets, **to_send.secrets}
    return ResolvedEnvironment(name, _sending=sending, secrets=secrets, _unset=unset, _unset_of_transport=of_transport, **read)


def _listed(variables: Sequence[str]) -> str:
    return ", ".join(f"`{variable}`" for variable in variables)


def _not_set(variables: Sequence[str]) -> str:
    return f"{_listed(variables)}, which {'is' if len(variables) == 1 else 'are'} not set"


def _set(variable: str) -> str:
    return f"set it before the command: `export {variable}=…`, or give a default in engine.yaml: `${{{variable}:-…}}`"


def variables_of(environment: Environment, parts: Iterable[str] = (*READS, *SENDS)) -> frozenset[str]:
    """The variables without a default that these parts of an environment need."""
    filling = _Filling({})
    for part in parts:
        filling.fill(getattr(environment, part))
    return frozenset(filling.missing)


class _Filling:
    """Replaces variables in models and texts, and remembers which values came from outside and which are not there."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.secrets: dict[str, Secret] = {}
        self.missing: set[str] = set()

    def fill(self, value: Any) -> Any:
        if isinstance(value, EnvName):
            return self._read(value.env, None)
        if isinstance(value, str):
            return VARIABLE.sub(lambda found: self._read(found[1], found[2]), value)
        if isinstance(value, tuple):
            return tuple(self.fill(item) for item in value)
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if hasattr(type(value), "model_fields"):
            said = {key: self.fill(getattr(value, key)) for key in type(value).model_fields}
            return value.model_copy(update=said)
        return value

    def _read(self, name: str, default: str | None) -> str:
        value = self.environ.get(name, "")
        if value:
            self.secrets[name] = Secret(value)
            return value
        # As in a shell: an empty variable is one that is not set.
        if default is None:
            self.missing.add(name)
            return ""
        return default


def mask(text: str, secrets: Iterable[Secret]) -> str:
    """The text without the values, also as they stand inside a URL or JSON, and without the password of a URL among them.

    >>> mask("cannot reach postgres://crm:s3cr3t@db", [Secret("postgres://crm:s3cr3t@db")])
    'cannot reach ***'
    """
    forms: set[str] = set()
    for secret in secrets:
        value = secret.reveal()
        forms.update((value, quote(value, safe=""), unquote(value), json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]))
        forms.update(_passwords(value))
    for form in sorted(filter(None, forms), key=len, reverse=True):
        if len(form) >= 6:
            text = text.replace(form, MASK)
        else:
            # A short value, such as a port, is masked where it stands alone, not inside other words.
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", MASK, text)
    return text


def _passwords(value: str) -> set[str]:
    """The password inside a URL or a `key=value` connection string: drivers repeat parts of what they were given."""
    found = set(re.findall(r"password\s*=\s*'?([^\s']+)", value))
    try:
        password = urlsplit(value).password
    except ValueError:
        password = None
    if password:
        found |= {password, unquote(password)}
    return found
