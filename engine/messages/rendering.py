"""Definitions and a send's values to a frozen mail: everything that can be made once per template and language is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from jinja2 import TemplateError

from engine.clock import to_local
from engine.definitions.definitions import Definitions
from engine.definitions.templates import Template
from engine.definitions.variables import category_of, topic_of
from engine.errors import EngineError
from engine.messages import headers
from engine.messages.addresses import split
from engine.messages.message import Message
from engine.messages.page import Page, body_html, make_page, with_partials
from engine.messages.placeholders import Placeholders
from engine.messages.sandbox import Compiled, Refused, TooMuch, compile_template
from engine.messages.skeleton import Frame, Skeleton, prefers_base64
from engine.messages.sources import Source, best_source, locale_used, source_of
from engine.messages.usage import names_in, names_in_items
from engine.messages.values import MissingVariable, Values

LAYOUT_NAMES = ("subject", "preheader", "locale", "sender_name", "reply_to", "postal_address", "topic_name", "category")
ALWAYS_NAMES = ("current_year", "items", "unsubscribe_url")


class RenderFailed(EngineError):
    """This mail cannot be made: a value is missing or does not fit its place. Others of the same template may go."""


class TemplateBroken(EngineError):
    """No mail of this template and language can be made; `validate` says why."""


@dataclass(frozen=True, slots=True)
class From:
    """Who writes: the header's name and address (also the envelope's sender), and where answers go."""

    name: str
    address: str
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail before it becomes bytes."""

    subject: str
    preheader: str
    html: str
    text: str


class Letter:
    """One template in one language, compiled."""

    def __init__(self, definitions: Definitions, template: Template, locale: str) -> None:
        self.locale = locale
        self._definitions = definitions
        try:
            self._subject = _one_line(definitions, template, "subject", locale)
            self._preheader = _one_line(definitions, template, "preheader", locale)
            page = page_of(definitions, template, locale)
            self._html = compile_template(page.html, html=True, locale=locale, internal=True)
            self._text = compile_template(page.text, html=False, locale=locale, internal=True)
        except Refused as refused:
            raise TemplateBroken(f"the template `{template.id}` ({locale}) cannot be used: {refused.message}", help="run `engine validate`") from None
        self.base64 = prefers_base64(page.text)
        self._values = Values(definitions, template.type, locale)
        compiled = [part for part in (self._subject, self._preheader, self._html, self._text) if part is not None]
        self._names = frozenset[str]().union(*(names_in(part.source) for part in compiled))
        self._names_of_items = frozenset[str]().union(*(names_in_items(definitions, template.type, part.source) for part in compiled))
        topic = topic_of(definitions, template.id)
        names = definitions.project.topics[topic].name if topic in definitions.project.topics else {}
        self._fixed = {
            "locale": locale,
            "postal_address": definitions.project.sender.postal_address or "",
            "topic_name": names.get(locale) or names.get(definitions.project.fallback) or topic or "",
            "category": category_of(definitions, template.id),
        }

    def render(
        self, variables: Mapping[str, Any], *, sender: From, due_at: datetime, unsubscribe_url: str | None, items: Sequence[Mapping[str, Any]] = ()
    ) -> Rendered:
        """The parts for one reader; `items` are the variables of each record, the first again among them, where a mail is about several (4.8).

        Raises RenderFailed.
        """
        try:
            values = self._values.of(variables, self._names)
            if "items" in self._names:
                values["items"] = [self._values.of(one, self._names_of_items) for one in items or (variables,)]
            # CRM data under these names never stands in for the engine's own values.
            values.update(self._fixed)
            values.update(
                current_year=to_local(due_at, self._definitions.project.timezone).year,
                unsubscribe_url=unsubscribe_url or "",
                sender_name=sender.name,
                reply_to=sender.reply_to or sender.address,
            )
            subject = headers.one_line("Subject", self._subject.render(values) if self._subject else "")
            preheader = self._preheader.render(values).strip() if self._preheader else ""
            values.update(subject=subject, preheader=preheader)
            return Rendered(subject, preheader, self._html.render(values), _tidy(self._text.render(values)))
        except MissingVariable as missing:
            raise RenderFailed(str(missing)) from None
        except headers.HeaderRefused as refused:
            raise RenderFailed(refused.message) from None
        except TooMuch as much:
            raise RenderFailed(str(much)) from None
        except TemplateError as error:
            raise RenderFailed(f"a value does not fit the template: {error.message}") from None
        except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError, MemoryError) as error:
            raise RenderFailed(f"a value does not fit the template ({type(error).__name__})") from None


class Renderer:
    """Mails of one set of definitions. Each template and language is compiled at its first use, and kept."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        sender = definitions.project.sender
        self.sender = From(sender.name, sender.address, sender.reply_to)
        self._letters: dict[tuple[str, str], Letter] = {}
        self._skeletons: dict[tuple[str, str, From], Skeleton] = {}

    def letter(self, template_id: str, locale: str | None) -> Letter:
        """The compiled template in the language that a reader of `locale` gets. Raises TemplateBroken."""
        used = locale_used(self.definitions, template_id, locale)
        key = (template_id, used)
        if key not in self._letters:
            self._letters[key] = Letter(self.definitions, self.definitions.templates[template_id], used)
        return self._letters[key]

    def render_parts(
        self,
        template_id: str,
        locale: str | None,
        variables: Mapping[str, Any],
        *,
        due_at: datetime,
        unsubscribe_url: str | None = None,
        sender: From | None = None,
        items: Sequence[Mapping[str, Any]] = (),
    ) -> Rendered:
        """Subject, preheader, HTML and text for one reader. Raises RenderFailed or TemplateBroken."""
        letter = self.letter(template_id, locale)
        return letter.render(variables, sender=sender or self.sender, due_at=due_at, unsubscribe_url=unsubscribe_url, items=items)

    def render(
        self,
        template_id: str,
        locale: str | None,
        variables: Mapping[str, Any],
        *,
        contact_name: str | None,
        to_address: str,
        send_key: str,
        due_at: datetime,
        unsubscribe_url: str | None = None,
        sender: From | None = None,
        reply_to: str | None = None,
        subject_mark: str = "",
        items: Sequence[Mapping[str, Any]] = (),
    ) -> Message:
        """The frozen mail: the same inputs give the same bytes. `due_at` is naive UTC; `subject_mark` goes before a tester's subject.

        Raises RenderFailed when this mail cannot be made (a missing value, a control character in a header field, no
        address, marketing without its link), TemplateBroken when none of the template can.
        """
        who = sender or self.sender
        if reply_to is not None:
            who = From(who.name, who.address, reply_to)
        letter = self.letter(template_id, locale)
        parts = letter.render(variables, sender=who, due_at=due_at, unsubscribe_url=unsubscribe_url, items=items)
        try:
            skeleton = self._skeleton(template_id, letter, who)
            subject = f"{subject_mark} {parts.subject}" if subject_mark else parts.subject
            message_id = f"<{headers.one_line('Message-ID', send_key)}@{split(who.address)[1]}>"
            values = {
                "to": headers.mailbox("To", contact_name or "", to_address),
                "subject": headers.encode_text("Subject", subject),
                "date": format_datetime(due_at.replace(tzinfo=UTC)).encode("ascii"),
                "message_id": message_id.encode("ascii"),
                "send_key": send_key.encode("ascii"),
                "boundary": b"=_" + send_key.encode("ascii"),
                "text": skeleton.part(parts.text),
                "html": skeleton.part(parts.html),
            }
            if skeleton.unsubscribe:
                values["unsubscribe"] = headers.link("List-Unsubscribe", unsubscribe_url or "")
        except headers.HeaderRefused as refused:
            raise RenderFailed(refused.message) from None
        except UnicodeEncodeError:
            raise RenderFailed("a header field has a character that cannot be sent") from None
        return Message(send_key, who.address, to_address, message_id, subject, skeleton.fill(values))

    def _skeleton(self, template_id: str, letter: Letter, sender: From) -> Skeleton:
        key = (template_id, letter.locale, sender)
        if key not in self._skeletons:
            topic = topic_of(self.definitions, template_id)
            list_id = None if topic is None else f"<{topic}.{split(sender.address)[1]}>".encode("ascii")
            try:
                own = headers.mailbox("From", sender.name, sender.address)
                answers = None if sender.reply_to is None else headers.mailbox("Reply-To", "", sender.reply_to)
            except headers.HeaderRefused as refused:
                # Nobody's mail has failed by it: the run ends, and they wait.
                raise TemplateBroken(f"no mail can be made: {refused.message}", help="mend `sender:` in engine.yaml, or the sequence's `reply_to:`") from None
            self._skeletons[key] = Skeleton(Frame(own, answers, list_id, topic is not None, letter.locale, letter.base64))
        return self._skeletons[key]


def page_of(definitions: Definitions, template: Template, locale: str) -> Page:
    """The HTML and text of a template in one language, as templates. Raises Refused."""
    body = _required(best_source(definitions, template, "body", locale), "body")
    # A preheader or a text part in another language would stand beside this body; without one the text is made from it.
    own_text = source_of(definitions, template, "text", locale)
    hidden = Placeholders()
    inner = body_html(with_partials(body.text or "", definitions.partials), markdown=body.markdown, hidden=hidden)
    layout = None
    if template.layout is not None:
        # The default layout needs no file: the bare page of page.py stands in for it.
        if template.layout in definitions.layouts:
            layout = with_partials(definitions.layouts[template.layout].html, definitions.partials)
        elif template.layout != "default":
            raise Refused(f"there is no layout `{template.layout}`", 1, kind="missing_layout")
    text = None if own_text is None else with_partials(_required(own_text, "text").text or "", definitions.partials)
    return make_page(inner, layout, hidden, text=text)


def _required(source: Source | None, part: str) -> Source:
    if source is None or source.text is None:
        raise Refused(f"there is no {part} in the fallback language", 1, kind="missing_language")
    return source


def _one_line(definitions: Definitions, template: Template, part: str, locale: str) -> Compiled | None:
    source = best_source(definitions, template, "subject", locale) if part == "subject" else source_of(definitions, template, "preheader", locale)
    if source is None or source.text is None:
        return None
    return compile_template(source.text.strip(), html=False, locale=locale)


def _tidy(text: str) -> str:
    """Conditions that do not hold leave empty lines behind; one is enough."""
    lines: list[str] = []
    for line in text.replace("\u00a0", " ").split("\n"):
        line = line.rstrip()
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n") + "\n"
