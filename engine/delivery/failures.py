"""Failures that belong to the set-up or to the server and not to a message: they end a run, and no row is spent on them."""

from __future__ import annotations

from engine.errors import PermanentFailure, TemporaryFailure


class SettingsFailure(PermanentFailure):
    """The transport as it is set up can send nothing (E601): no TLS where some is asked for, a wrong password, a missing host,
    a folder that cannot be written. Nothing was sent, and nothing is ever sent in plain instead."""

    code = "E601"

    def __init__(self, message: str, *, help: str) -> None:
        super().__init__(f"{self.code}: {message}", help=help)


class ServerDown(TemporaryFailure):
    """The breaker is open (E602): the server failed several times in a row, and trying on would only add noise."""

    code = "E602"

    def __init__(self, message: str) -> None:
        super().__init__(f"{self.code}: {message}", help="look at the mail server, and at `host:` and `port:` in engine.yaml; the next run sends what is left")
