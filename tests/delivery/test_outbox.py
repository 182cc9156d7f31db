"""The outbox, its pages, and the console."""

from __future__ import annotations

import io
import os
import re
from email.message import EmailMessage
from email.policy import SMTP
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engine.delivery.console import ConsoleTransport
from engine.delivery.failures import SettingsFailure
from engine.delivery.outbox import OutboxTransport
from engine.messages.message import Message


def mail(number: int = 1, *, subject: str = "Hello", name: str = "Ann", html: str = "<p>Hello</p>", text: str = "Hello\n") -> Message:
    key = f"00000000-0000-0000-0000-{number:012d}"
    made = EmailMessage(policy=SMTP)
    made["From"] = "Shop <shop@example.org>"
    made["To"] = f'"{name}" <ann@example.com>'
    made["Subject"] = subject
    made["Date"] = "Mon, 05 Jan 2026 09:00:00 +0700"
    made["X-Engine-Send"] = key
    made.set_content(text)
    made.add_alternative(html, subtype="html")
    made.set_boundary(f"=_{key}")
    return Message(key, "shop@example.org", "ann@example.com", f"<{key}@example.org>", subject, made.as_bytes())


class Tags(HTMLParser):
    """Every attribute of every tag, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [(tag, name, value or "") for name, value in attrs or [("", "")]]


def nothing(key: str) -> None:
    pass


def test_a_mail_is_a_file_named_by_its_send_key(tmp_path: Path) -> None:
    """The file holds the frozen bytes, and nothing temporary stays beside it."""
    outbox = OutboxTransport(tmp_path / "outbox")
    assert outbox.deliver(mail(), nothing).state == "sent"
    assert (tmp_path / "outbox" / f"{mail().send_key}.eml").read_bytes() == mail().payload
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == [f"{mail().send_key}.eml"]
    outbox.close()


def test_delivered_twice_is_one_file(tmp_path: Path) -> None:
    """The transport is idempotent: the same key is the same file."""
    outbox = OutboxTransport(tmp_path)
    assert [outbox.deliver(mail(), nothing).state for _ in range(2)] == ["sent", "sent"]
    outbox.close()
    assert len(list(tmp_path.glob("*.eml"))) == 1
    assert outbox.idempotent


def test_what_the_commit_point_refuses_is_not_there(tmp_path: Path) -> None:
    """A ledger that cannot write leaves no mail behind."""
    outbox = OutboxTransport(tmp_path)

    def broken(key: str) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        outbox.deliver(mail(), broken)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    """A temporary file of a dead process is no mail, and goes; one that another worker is just writing stays."""
    left, young = (tmp_path / f".00000000-0000-0000-0000-00000000000{number}.tmp" for number in (8, 9))
    for path in (left, young):
        path.write_bytes(b"half")
    os.utime(left, (0, 0))
    OutboxTransport(tmp_path).close()
    assert list(tmp_path.glob(".*")) == [young]


@pytest.mark.parametrize("key", ["../../evil", "/etc/passwd", "a", "00000000-0000-0000-0000-000000000001/../x", ""])
def test_threat_15_a_key_is_no_path(tmp_path: Path, key: str) -> None:
    """Only a UUID names a file."""
    outcome = OutboxTransport(tmp_path / "outbox").deliver(Message(key, "a@example.com", "b@example.com", "<x>", "s", b"x"), nothing)
    assert outcome.state == "failed"
    assert list((tmp_path / "outbox").iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """An outbox inside a file is a setting to mend."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsFailure, match="E601"):
        OutboxTransport(tmp_path / "file" / "outbox")


def test_the_index_lists_the_mails(tmp_path: Path) -> None:
    """Subject, recipient and date of each, with a link to its page and its file."""
    outbox = OutboxTransport(tmp_path)
    outbox.deliver(mail(1, subject="สัญญาของคุณใกล้หมดอายุ"), nothing)
    outbox.deliver(mail(2, subject="Second"), nothing)
    outbox.close()
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    for said in ("สัญญาของคุณใกล้หมดอายุ", "Second", "ann@example.com", "2026-01-05 09:00 +0700", "2 mails", f'href="{mail(2).send_key}.html#text"', f'href="{mail(1).send_key}.eml"'):
        assert said in page, said


def test_an_empty_outbox_has_a_page_too(tmp_path: Path) -> None:
    """Before the first mail the page says so."""
    OutboxTransport(tmp_path).close()
    assert "No mail yet" in (tmp_path / "index.html").read_text()


def test_threat_8_pages_run_nothing_and_load_nothing(tmp_path: Path) -> None:
    """Markup in names and subjects is text; the mail's own HTML stays inside its sandbox; no page has a script or an address to load."""
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    outbox = OutboxTransport(tmp_path)
    outbox.deliver(mail(1, subject=evil, name="<b>Ann</b>", html=f"<p>hi</p>'{evil}<script src=https://evil.example/x.js></script>", text=f"</pre>{evil}\n"), nothing)
    outbox.close()
    for path in (tmp_path / "index.html", tmp_path / f"{mail(1).send_key}.html"):
        page = path.read_text(encoding="utf-8")
        assert "<script" not in page and "<img" not in page and "<b>" not in page, path.name
        assert "default-src 'none'" in page
        tags = Tags()
        tags.feed(page)
        assert not {"script", "img", "link", "object"} & {tag for tag, _, _ in tags.found}
        assert all(re.fullmatch(r"index\.html|[0-9a-f-]{36}\.(?:html(?:#html|#text)?|eml)", value) for _, name, value in tags.found if name in ("src", "href"))
    assert ("iframe", "sandbox", "") in tags.found


def test_pages_are_made_once_and_again_when_the_mail_changed(tmp_path: Path) -> None:
    """Closing twice writes no page twice; a mail written later gets its page."""
    first = OutboxTransport(tmp_path)
    first.deliver(mail(1), nothing)
    first.close()
    first.close()
    page = tmp_path / f"{mail(1).send_key}.html"
    before = page.stat().st_mtime_ns
    second = OutboxTransport(tmp_path)
    second.deliver(mail(2), nothing)
    second.close()
    assert page.stat().st_mtime_ns == before
    assert (tmp_path / f"{mail(2).send_key}.html").exists()


def test_a_file_that_is_no_mail_does_not_end_the_page(tmp_path: Path) -> None:
    """Anything that a person puts into the folder is shown as far as it can be."""
    (tmp_path / "notes.eml").write_bytes(b"\xff\xfe garbage \x00 Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n")
    OutboxTransport(tmp_path).close()
    assert "notes.eml" in (tmp_path / "index.html").read_text()


def test_the_console_prints_a_mail() -> None:
    """Headers and text, decoded."""
    out = io.StringIO()
    console = ConsoleTransport(out)
    assert console.deliver(mail(subject="สวัสดี", text="Line one\n\nLine two\n"), nothing).state == "sent"
    console.close()
    assert out.getvalue() == (
        "From:    Shop <shop@example.org>\nTo:      Ann <ann@example.com>\nSubject: สวัสดี\nDate:    2026-01-05 09:00 +0700\n\n    Line one\n\n    Line two\n\n"
    )


def test_a_mail_cannot_drive_the_terminal() -> None:
    """Escape sequences and direction marks in a mail are taken out."""
    out = io.StringIO()
    ConsoleTransport(out).deliver(mail(text="a\x1b[2Jb\x07\u202ec\x9b31m\n"), nothing)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", out.getvalue())
