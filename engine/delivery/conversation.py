"""One connection to a mail server: replies read with a deadline and held to the grammar, nothing guessed.

`smtplib` connects, says EHLO and does AUTH; its reading is replaced, since it takes the same exception for every kind of
loss, calls an over-long line a 500, and lets a server that drips one byte a minute hold a worker forever.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from contextlib import suppress
from typing import Any, Literal

LONGEST_REPLY = 64 * 1024
_REPLY_LINE = re.compile(rb"([2345]\d\d)(?:([ -])(.*))?", re.DOTALL)
_WANTS_MORE = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
TroubleKind = Literal["lost", "silent", "garbled"]


class Trouble(Exception):
    """The conversation broke: lost (closed), silent (no whole reply in time), garbled (no reply of the grammar)."""

    def __init__(self, kind: TroubleKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class Conversation(smtplib.SMTP):
    """An open connection. Every method raises `Trouble` where the server breaks off, and then the connection is of no use."""

    def __init__(self, host: str, port: int, *, connect_seconds: float, reply_seconds: float) -> None:
        try:
            opened = socket.create_connection((host, port), timeout=connect_seconds)
        except TimeoutError:
            raise Trouble("silent", f"no connection within {connect_seconds:g} s") from None
        except OSError as error:
            # strerror names no host; str(error) may.
            raise Trouble("lost", f"no connection: {error.strerror or type(error).__name__}") from None
        try:
            # Body and final dot are two small writes: Nagle would hold the dot until the body is acknowledged, 40 ms a message.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # The name is given so that smtplib asks no name server who we are.
            super().__init__(local_hostname=_own_name(opened))
        except BaseException:
            opened.close()
            raise
        self.sock: Any = opened
        self.server_name = host
        self.reply_seconds = reply_seconds
        self._received = bytearray()

    # --- smtplib asks these two for all that goes over the line ---------------------------------------------------

    def send(self, s: Any) -> None:
        """Hand bytes to the connection, all of them within the time of one reply."""
        data = s.encode(self.command_encoding) if isinstance(s, str) else bytes(s)
        if self.sock is None:
            raise Trouble("lost", "the connection is closed")
        try:
            self.sock.settimeout(self.reply_seconds)
            self.sock.sendall(data)
        except TimeoutError:
            raise Trouble("silent", f"the server took no bytes for {self.reply_seconds:g} s") from None
        except OSError as error:
            raise Trouble("lost", f"the connection was lost: {error.strerror or type(error).__name__}") from None

    def getreply(self) -> tuple[int, bytes]:
        """One whole reply, its lines joined, within `reply_seconds`; what comes after it stays for `expect_silence`."""
        deadline = time.monotonic() + self.reply_seconds
        code: bytes | None = None
        lines: list[bytes] = []
        size = 0
        while True:
            line = self._line(deadline, LONGEST_REPLY - size)
            size += len(line)
            match = _REPLY_LINE.fullmatch(line.rstrip(b"\r\n"))
            if match is None or (code is not None and match[1] != code):
                raise Trouble("garbled", "the server answered with something that is no SMTP reply")
            code = match[1]
            lines.append((match[3] or b"").strip())
            if match[2] != b"-":
                return int(code), b"\n".join(lines)

    # --- our own -------------------------------------------------------------------------------------------------

    def ask(self, command: str) -> tuple[int, bytes]:
        """Send one command and read its reply; refused when the server spoke before it was asked."""
        self.expect_silence()
        self.putcmd(command)
        return self.getreply()

    def expect_silence(self) -> None:
        """Raise `Trouble` when bytes are waiting: a reply in advance would be taken for the answer to another command."""
        waiting = bytes(self._received) or self._peek()
        if waiting is None:
            return
        if waiting.startswith(b"421"):
            raise Trouble("lost", "the server closed the connection (421)")
        raise Trouble("garbled", "the server answered before it was asked") if waiting else Trouble("lost", "the server closed the connection")

    def cut(self) -> None:
        """Break off from another thread: whoever waits for this server hears at once that the connection is lost."""
        opened = self.sock
        if opened is not None:
            with suppress(OSError):
                # Of the plain socket also under TLS, whose own shutdown would take its state away from the thread that reads.
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    def encrypt(self, context: ssl.SSLContext) -> None:
        """TLS from here on. What was received in plain is thrown away: nobody may speak before the lock is closed."""
        self._received.clear()
        try:
            self.sock.settimeout(self.reply_seconds)
            self.sock = context.wrap_socket(self.sock, server_hostname=self.server_name)
        except ssl.SSLCertVerificationError:
            raise
        except TimeoutError:
            raise Trouble("silent", f"no TLS within {self.reply_seconds:g} s") from None
        except OSError as error:
            raise Trouble("lost", f"TLS failed: {getattr(error, 'reason', None) or error.strerror or type(error).__name__}") from None
        self.ehlo_resp = self.helo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False

    def _line(self, deadline: float, room: int) -> bytes:
        while True:
            end = self._received.find(b"\n") + 1
            if end > room or (end == 0 and len(self._received) > room):
                raise Trouble("garbled", f"the server's reply is longer than {LONGEST_REPLY} bytes")
            if end:
                line = bytes(self._received[:end])
                del self._received[:end]
                return line
            left = deadline - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError
                self.sock.settimeout(left)
                chunk = self.sock.recv(8192)
            except TimeoutError:
                raise Trouble("silent", f"no answer within {self.reply_seconds:g} s") from None
            except OSError as error:
                raise Trouble("lost", f"the connection was lost: {error.strerror or type(error).__name__}") from None
            if not chunk:
                raise Trouble("lost", "the server closed the connection")
            self._received += chunk

    def _peek(self) -> bytes | None:
        """Bytes that wait, empty at the end of the connection, None when all is still."""
        try:
            self.sock.settimeout(0)
            return bytes(self.sock.recv(4096))
        except _WANTS_MORE:
            return None
        except OSError:
            return b""


def _own_name(opened: socket.socket) -> str:
    name = socket.gethostname()
    if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name):
        return name
    address = str(opened.getsockname()[0])
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
