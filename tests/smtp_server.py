"""Real SMTP servers on loopback for tests. Their own record of what they accepted is the judge, never our ledger.

`ScriptedServer` misbehaves as told, at any verb. `mail_server()` is aiosmtpd with STARTTLS and AUTH. Run as a program
(`python tests/smtp_server.py LOG [--refuse P] [--drop P] [--mute P] [--keyed HEADER]`) it is a scripted server in a process
of its own: it prints its port and appends one line of JSON for each message it accepts, before it answers.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any, Literal, Self

Verb = Literal["CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BODY", "DOT", "RSET", "QUIT"]


@dataclass(frozen=True)
class Act:
    """What the server does instead of its normal answer: say these bytes (a byte each `drip` seconds), then go on,
    drop the connection, or keep silent for ever. `accept` decides at the dot whether the message counts as taken."""

    say: bytes = b""
    then: Literal["go on", "drop", "silence"] = "go on"
    accept: bool = False
    drip: float = 0.0
    wait: float = 0.0


@dataclass(frozen=True)
class Accepted:
    """A message that the server took: the transaction's envelope and the bytes with the stuffing undone."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes

    @property
    def send_key(self) -> str:
        return str(message_from_bytes(self.data).get("X-Engine-Send", ""))


# (number of the connection from 1, number of the transaction in the server's life from 1, verb) -> act or None
Script = Callable[[int, int, str], Act | None]
_NORMAL: Mapping[str, bytes] = {
    "CONNECT": b"220 mail.example.com ESMTP\r\n",
    "STARTTLS": b"220 go ahead\r\n",
    "AUTH": b"235 2.7.0 welcome\r\n",
    "MAIL": b"250 2.1.0 ok\r\n",
    "RCPT": b"250 2.1.5 ok\r\n",
    "DATA": b"354 go ahead\r\n",
    "DOT": b"250 2.0.0 ok: queued as Q17\r\n",
    "RSET": b"250 2.0.0 ok\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
}


@dataclass
class ScriptedServer:
    """A server on a free port of loopback; `script` may be a mapping of verbs, for every connection alike.

    With `key_header` it is a provider that takes a repeated key as one mail: it answers as the first time, and accepts nothing more.
    """

    script: Script | Mapping[str, Act] | None = None
    extensions: tuple[str, ...] = ("SIZE 1000000",)
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    on_accept: Callable[[Accepted], None] | None = None
    key_header: str = ""
    keys_known: set[str] = field(default_factory=set)
    repeats: int = 0
    accepted: list[Accepted] = field(default_factory=list)
    rcpts: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    transactions: int = 0
    port: int = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        with self._lock:
            for one in [self._listener, *self._open]:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    @property
    def keys(self) -> list[str]:
        return [one.send_key for one in self.accepted]

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number = self.connections
                self._open.add(connection)
            threading.Thread(target=self._talk, args=(connection, number), daemon=True).start()

    def _talk(self, connection: socket.socket, number: int) -> None:
        session = _Session(self, connection, number)
        try:
            session.run()
        except (OSError, _Dropped):
            pass
        finally:
            with self._lock:
                self._open -= {connection, session.connection}
            session.connection.close()
            connection.close()

    def took_over(self, connection: socket.socket) -> None:
        """TLS makes another socket, which has taken the handle of the first one."""
        with self._lock:
            self._open.add(connection)

    def another_transaction(self) -> int:
        with self._lock:
            self.transactions += 1
            return self.transactions

    def accept(self, message: Accepted) -> None:
        """Take the message, unless it comes again under a key that is known here."""
        key = str(message_from_bytes(message.data).get(self.key_header, "")) if self.key_header else ""
        with self._lock:
            if key and key in self.keys_known:
                self.repeats += 1
                return
            if key:
                self.keys_known.add(key)
            self.accepted.append(message)
            if self.on_accept:
                self.on_accept(message)

    def act(self, connection: int, transaction: int, verb: str) -> Act | None:
        if self.script is None:
            return None
        if isinstance(self.script, Mapping):
            return self.script.get(verb)
        return self.script(connection, transaction, verb)


class _Dropped(Exception):
    pass


class _Session:
    def __init__(self, server: ScriptedServer, connection: socket.socket, number: int) -> None:
        self.server, self.connection, self.number = server, connection, number
        self.buffer = b""
        self.encrypted = False
        self.transaction = 0

    def encrypt(self, context: ssl.SSLContext) -> None:
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.server.took_over(self.connection)
        self.buffer, self.encrypted = b"", True

    def run(self) -> None:
        if self.server.implicit_tls and self.server.tls is not None:
            self.encrypt(self.server.tls)
        self.answer("CONNECT")
        sender, recipients = "", list[str]()
        while True:
            line = self.line()
            self.server.commands.append(line)
            verb = line.split(" ", 1)[0].upper()
            if verb == "EHLO":
                words = ["mail.example.com", *self.server.extensions]
                if self.server.tls is not None and not self.encrypted:
                    words.append("STARTTLS")
                said = "".join(f"250{'-' if index < len(words) - 1 else ' '}{word}\r\n" for index, word in enumerate(words))
                self.answer("EHLO", said.encode())
            elif verb == "STARTTLS" and self.server.tls is not None:
                self.answer("STARTTLS")
                self.encrypt(self.server.tls)
            elif verb == "MAIL":
                self.transaction = self.server.another_transaction()
                sender, recipients = _address(line), []
                self.answer("MAIL")
            elif verb == "RCPT":
                self.server.rcpts.append(_address(line))
                recipients.append(_address(line))
                self.answer("RCPT")
            elif verb == "DATA":
                if self.answer("DATA"):
                    self.take(sender, tuple(recipients))
            elif verb in ("RSET", "AUTH"):
                self.answer(verb)
            elif verb == "QUIT":
                self.answer("QUIT")
                raise _Dropped
            else:
                self.connection.sendall(b"500 5.5.2 what\r\n")

    def take(self, sender: str, recipients: tuple[str, ...]) -> None:
        body = self.act("BODY")
        if body is not None:
            self.perform(body)
        data = self.until(b"\r\n.\r\n")
        act = self.act("DOT")
        if act is None or act.accept:
            unstuffed = re.sub(rb"(?m)^\.(?=.)", b"", data.removesuffix(b".\r\n"))
            self.server.accept(Accepted(sender, recipients, unstuffed))
        # Asked once: whether it is accepted and what is said of it are one decision.
        self.perform(act or Act(_NORMAL["DOT"]))

    def act(self, verb: str) -> Act | None:
        return self.server.act(self.number, self.transaction or self.server.transactions, verb)

    def answer(self, verb: str, normal: bytes = b"") -> bool:
        """Answer as scripted or as usual; True when the answer is the usual one, or the usual with something more."""
        act = self.act(verb)
        usual = normal or _NORMAL[verb]
        if act is None:
            self.connection.sendall(usual)
            return True
        self.perform(act)
        return act.say.startswith(usual[:3])

    def perform(self, act: Act) -> None:
        time.sleep(act.wait)
        if act.drip:
            for byte in act.say:
                self.connection.sendall(bytes([byte]))
                time.sleep(act.drip)
        elif act.say:
            self.connection.sendall(act.say)
        if act.then == "drop":
            raise _Dropped
        if act.then == "silence":
            while self.connection.recv(65536):
                pass
            raise _Dropped

    def line(self) -> str:
        return self.until(b"\r\n").decode("utf-8", "replace").rstrip("\r\n")

    def until(self, end: bytes) -> bytes:
        while end not in self.buffer:
            chunk = self.connection.recv(65536)
            if not chunk:
                raise _Dropped
            self.buffer += chunk
        found, _, self.buffer = self.buffer.partition(end)
        return found + end


def _address(line: str) -> str:
    match = re.search(r"<(.*?)>", line)
    return match[1] if match else ""


# --- a server that behaves, with TLS and passwords ----------------------------------------------------------------


def certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """A self-signed certificate for the name and 127.0.0.1, and its key, as PEM files in the folder."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ip_address("127.0.0.1")))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return cert_file, key_file


def server_tls(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    return context


@dataclass
class Mailbox:
    """What aiosmtpd took, and where it listens."""

    port: int
    accepted: list[Accepted] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.accepted.append(Accepted(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.original_content))
        return "250 2.0.0 ok"


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None, *, username: str = "", password: str = "") -> Iterator[Mailbox]:
    """aiosmtpd on a free port; with `tls` STARTTLS is required, with `username` AUTH too."""
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult, LoginPassword

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (username.encode(), password.encode())
        return AuthResult(success=right, handled=False)

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    box = Mailbox(port)
    options: dict[str, Any] = {}
    if tls is not None:
        options |= {"tls_context": tls, "require_starttls": True}
    if username:
        options |= {"authenticator": check, "auth_required": True, "auth_require_tls": tls is not None}
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


# --- a process of its own ------------------------------------------------------------------------------------------


def serve(words: Sequence[str] | None = None, until: Callable[[], object] = lambda: sys.stdin.read()) -> None:
    """Serve as the words of the command line say, until the call returns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--refuse", type=float, default=0.0, help="share of messages refused with a 4yz at the dot")
    parser.add_argument("--drop", type=float, default=0.0, help="share of connections dropped before the dot")
    parser.add_argument("--mute", type=float, default=0.0, help="share of messages accepted, and the answer lost")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds before each answer to the dot")
    parser.add_argument("--keyed", default="", help="the header of an idempotency key; a repeated one is taken as one mail")
    options = parser.parse_args(words)
    chance = random.Random(1)
    log = options.log.open("a", encoding="utf-8", buffering=1)

    def script(connection: int, transaction: int, verb: str) -> Act | None:
        if verb == "BODY" and chance.random() < options.drop:
            return Act(then="drop")
        if verb == "DOT":
            drawn = chance.random()
            time.sleep(options.slow)
            if drawn < options.refuse:
                return Act(b"451 4.3.0 later\r\n")
            if drawn < options.refuse + options.mute:
                return Act(then="drop", accept=True)
        return None

    def write(message: Accepted) -> None:
        log.write(json.dumps({"send_key": message.send_key, "to": message.recipients}) + "\n")

    with ScriptedServer(script, on_accept=write, key_header=options.keyed) as server:
        print(server.port, flush=True)
        until()


if __name__ == "__main__":
    serve()
