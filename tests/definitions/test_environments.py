"""Environments: variables are filled in only when used, and what comes from outside is never shown."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definitions.environments import Secret, mask, resolve
from engine.definitions.project import OutboxTransport, PostgresFacts, SmtpTransport
from engine.errors import EngineError, WrongUsage
from tests.definitions.projects import good, replaced

FULL = {"CRM_URL": "postgresql://crm:pa%24s-word@db.example.com/crm", "SMTP_PASSWORD": "s3cr3t-value", "OTHER": "not asked for"}


def test_the_first_environment_is_the_default_and_needs_nothing() -> None:
    """Variables of another environment are not looked at."""
    resolved = resolve(good().project, None, {})
    assert (resolved.name, resolved.sending.transport, resolved.secrets) == ("dev", "outbox", {})


def test_variables_become_values_and_each_is_a_secret() -> None:
    """Those who connect get plain texts; printing shows none of them, and a default from the file is no secret."""
    resolved = resolve(good().project, "production", FULL)
    transport = resolved.sending.transport
    assert isinstance(resolved.facts, PostgresFacts) and isinstance(transport, SmtpTransport)
    assert resolved.facts.postgres == FULL["CRM_URL"]
    assert (transport.smtp.host, transport.smtp.password) == ("localhost", FULL["SMTP_PASSWORD"])
    assert set(resolved.secrets) == {"CRM_URL", "SMTP_PASSWORD"}
    for printed in (repr(resolved), str(resolved), f"{resolved}", repr(resolved.facts), repr(transport), repr(resolved.sending), repr(dict(resolved.secrets))):
        assert "s3cr3t" not in printed and "pa%24s" not in printed
    assert resolved.secrets["CRM_URL"].reveal() == FULL["CRM_URL"]


def test_what_is_not_set_is_told_all_at_once() -> None:
    """What reading needs, and beside it what sending needs too. An empty variable is one that is not set."""
    with pytest.raises(EngineError) as raised:
        resolve(good().project, "production", {"CRM_URL": ""})
    assert raised.value.message == "the environment `production` needs `CRM_URL`, which is not set"
    assert "export CRM_URL" in raised.value.help and "to send it needs `SMTP_PASSWORD` too" in raised.value.help


def test_what_only_reads_asks_for_no_secret_of_what_sends() -> None:
    """Without the password the CRM is read; whoever would send is told what is missing. An outbox asks for its own folder's variables alone."""
    resolved = resolve(good().project, "production", {"CRM_URL": FULL["CRM_URL"]})
    assert isinstance(resolved.facts, PostgresFacts) and resolved.outbox is None
    with pytest.raises(EngineError) as raised:
        _ = resolved.sending
    assert raised.value.message == "to send, the environment `production` needs `SMTP_PASSWORD`, which is not set"
    into = replaced("engine.yaml", "    transport: outbox\n", "    transport: outbox\n    redirect_to: ${BOX}\n")
    assert resolve(good(into).project, "dev", {}).outbox == "outbox"
    folder = replaced("engine.yaml", "    transport: outbox\n", "    transport: {outbox: {dir: '${DIR}/mails'}}\n")
    with pytest.raises(EngineError) as raised:
        _ = resolve(good(folder).project, "dev", {}).outbox
    assert raised.value.message == "the outbox of the environment `dev` needs `DIR`, which is not set"
    found = resolve(good(folder).project, "dev", {"DIR": "/srv"}).outbox
    assert isinstance(found, OutboxTransport) and found.outbox.dir == "/srv/mails"


def test_an_unknown_environment_is_wrong_usage() -> None:
    """With the one that was probably meant."""
    with pytest.raises(WrongUsage) as raised:
        resolve(good().project, "prod", FULL)
    assert "production" in raised.value.help


@pytest.mark.parametrize(
    "text",
    [
        'connection to "postgresql://crm:pa%24s-word@db.example.com/crm" failed',
        "password authentication failed: pa$s-word",
        "password authentication failed: pa%24s-word",
        '{"url": "postgresql://crm:pa%24s-word@db.example.com/crm"}',
        "535 s3cr3t-value is wrong",
    ],
)
def test_masking_takes_values_out_of_any_text(text: str) -> None:
    """Also the password of a URL by itself, as drivers repeat it."""
    masked = resolve(good().project, "production", FULL).mask(text)
    assert "s3cr3t" not in masked and "pa$s" not in masked and "pa%24s" not in masked and "***" in masked


def test_a_short_secret_is_masked_as_a_word() -> None:
    """A port of 25 does not eat the 25 in 2025."""
    assert mask("port 25 in 2025", [Secret("25")]) == "port *** in 2025"


@given(st.text(min_size=6, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_no_long_secret_survives_masking(secret: str, before: str, after: str) -> None:
    """Whatever stands around it."""
    assert secret not in mask(before + secret + after, [Secret(secret)]).replace("***", "\0")


def test_a_secret_is_not_written_anywhere() -> None:
    """Not by formatting, not by pickling."""
    secret = Secret("s3cr3t-value")
    assert f"{secret} {secret!r} {secret:>5}" == "*** ***   ***"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_variables_stand_in_the_middle_of_texts_and_lists() -> None:
    """`${A}-${B:-b}` and a list of recipients are filled in too."""
    changed = replaced("engine.yaml", 'allow_recipients: ["*"]', 'allow_recipients: ["${WHO}@example.com", "*@${WHERE:-example.org}"]')
    resolved = resolve(good(changed).project, "production", {**FULL, "WHO": "ann"})
    assert resolved.sending.allow_recipients == ("ann@example.com", "*@example.org")
