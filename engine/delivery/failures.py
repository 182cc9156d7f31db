"""Failures that belong to the set-up or to the server and not to a message: they end a run, and no row is spent on them."""

from __future__ import annotations

from engine.errors import PermanentFailure, TemporaryFailure

# What each code means, at length: `engine explain E601`.
DELIVERY_CODES: dict[str, str] = {
    "E601": "The connection to the mail server cannot be made private: STARTTLS is not offered, TLS fails its check, or a password would "
    "cross a plain connection. Nothing was sent, and nothing is ever sent in plain instead. If the server is right, set `tls:` and `ca_file:` in engine.yaml.",
    "E602": "The mail server does not accept the user name and password, or wants some and none are given. No message is at fault: all stay planned. "
    "Check `username:` and the environment variable that `password:` names.",
    "E603": "The mail server could not be reached, or broke off, several times in a row. The run stopped; "
    "what was not sent stays planned and leaves with the next run.",
    "E604": "The transport's settings are not complete, or not possible: no host, a port that is no number, or an outbox that cannot be written.",
    "E605": "This environment may not write to the address: `allow_recipients:` does not list it. The send stays planned, "
    "and is sent when the list allows it or expires. An environment without `allow_recipients:` writes to nobody; `redirect_to:` sends all to one box.",
    "E606": "The message cannot be handed to a mail server as it is: a bare CR or LF, a line over 998 bytes, bytes beyond ASCII, an address that is not one, "
    "or more bytes than the server takes.",
    "E607": "The message could not be made: its template failed on this contact's values. Only this send failed; the others went on.",
}


class SettingsFailure(PermanentFailure):
    """The transport as it is set up can send nothing. `code` is explained by `engine explain`."""

    def __init__(self, code: str, message: str, *, help: str = "") -> None:
        super().__init__(f"{code}: {message}", help=help or DELIVERY_CODES[code])
        self.code = code


class ServerDown(TemporaryFailure):
    """The breaker is open: the server failed several times in a row, and trying on would only add noise."""

    def __init__(self, message: str) -> None:
        super().__init__(f"E603: {message}", help=DELIVERY_CODES["E603"])
        self.code = "E603"
