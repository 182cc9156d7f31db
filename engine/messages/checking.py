"""What is wrong with templates and layouts, found without rendering one mail: every mistake with its place and a way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches

from engine.definitions.definitions import Definitions, Layout
from engine.definitions.templates import Template
from engine.definitions.variables import COMMON, about_of, category_of_type, names_of
from engine.messages import codes, links
from engine.messages.filters import NAMES as FILTERS
from engine.messages.page import body_html, make_page, with_partials
from engine.messages.placeholders import WORD, Placeholders
from engine.messages.places import Placed, unbalanced
from engine.messages.rendering import LAYOUT_NAMES
from engine.messages.sandbox import TESTS, Refused, parse, refusals
from engine.messages.scopes import ANY, Finding, Scope, scope_of, walk
from engine.messages.sources import Source, source_of
from engine.messages.values import shower
from engine.problems import Origin, Problem

Read = Callable[[str], bytes]
# What stands before a word that is a field, a filter or a test, and no name.
_NO_NAME = (".", "|", "is")
_CAN = "a template shows values, chooses with `if` and repeats with `for`; what needs more is a variable of the type (`engine explain E214`)"
_SHOWN_LINK, _ASKED_LINK = re.compile(r"\{\{-?\s*unsubscribe_url\b"), re.compile(r"\{%-?\s*(el)?if\b[^%]*\bunsubscribe_url\b")
_KINDS: Mapping[str, str] = {
    "not_allowed": codes.NOT_ALLOWED,
    "syntax": codes.SYNTAX,
    "too_large": codes.TOO_LARGE,
    "unknown_filter": codes.UNKNOWN_FILTER,
    "unknown_test": codes.UNKNOWN_TEST,
    "unknown_partial": codes.UNKNOWN_PARTIAL,
    "missing_layout": codes.MISSING_LAYOUT,
    "missing_language": codes.MISSING_LANGUAGE,
    "dangerous_place": codes.DANGEROUS_PLACE,
    "link": codes.LINK,
    "unknown_variable": codes.UNKNOWN_VARIABLE,
    "unknown_field": codes.UNKNOWN_FIELD,
    "misfit": codes.MISFIT,
}


def check_templates(definitions: Definitions, read: Read | None = None) -> list[Problem]:
    """Every mistake in types' samples, layouts and templates, sorted by place.

    `read` gives a file's bytes by its path in the project (a Tree's `read`); with it the places inside YAML texts are
    exact for every way of quoting, without it for quoted and plain texts of one line.
    """
    checker = _Checker(definitions, read)
    checker.all()
    return sorted(set(checker.problems), key=lambda problem: problem.sort_key)


class _Checker:
    def __init__(self, definitions: Definitions, read: Read | None) -> None:
        self.definitions = definitions
        self.problems: list[Problem] = []
        self._read = read
        self._raw: dict[str, str | None] = {}
        self._layout_names: dict[str, frozenset[str]] = {}

    def add(self, code: str, message: str, origin: Origin, help: str = "", *, warning: bool = False) -> None:
        self.problems.append(Problem(code, message, origin, help, severity="warning" if warning else "error"))

    def all(self) -> None:
        for type_id in self.definitions.types:
            self._samples(type_id)
        for layout in self.definitions.layouts.values():
            self._layout(layout)
        for template in self.definitions.templates.values():
            self._template(template)

    def _samples(self, type_id: str) -> None:
        about = about_of(self.definitions, type_id)
        for name, variable in self.definitions.types[type_id].variables.items():
            place = self.definitions.where("type", type_id).value("variables", name, "sample")
            items = variable.sample
            if variable.function == "list" and not (isinstance(items, list | tuple) and all(isinstance(item, dict) for item in items)):
                fields = ", ".join(f"{field}: …" for field in variable.fields or ())
                self.add(codes.SAMPLE, f"the sample of `{name}` is no list of mappings", place, f"write `[{{{fields}}}]`")
                continue
            try:
                shower(self.definitions, about, variable, self.definitions.project.fallback)(variable.sample)
            except (ValueError, TypeError, AttributeError) as error:
                self.add(codes.SAMPLE, f"the sample of `{name}` does not fit `format: {variable.format}`: {error}", place)

    # --- layouts ---------------------------------------------------------------------------------------------------

    def _layout(self, layout: Layout) -> None:
        placed = Placed(layout.html, layout.file)
        common = self.definitions.types.get(COMMON)
        scope = scope_of(self.definitions, COMMON, (*LAYOUT_NAMES, "body")) if common else Scope(dict.fromkeys((*LAYOUT_NAMES, "body"), ANY))
        before = len(self.problems)
        found = self._language(placed, scope, f"A layout has: {', '.join(sorted(scope.names))}")
        # Of a layout that cannot be read nobody can say what is missing in it.
        self._layout_names[layout.id] = found if self._was_read(before) else frozenset({"unsubscribe_url"})
        if self._broken(layout.file):
            return
        try:
            hidden = Placeholders()
            make_page("", with_partials(layout.html, self.definitions.partials), hidden)
        except Refused as refused:
            self._refused(refused, placed)

    # --- templates -------------------------------------------------------------------------------------------------

    def _template(self, template: Template) -> None:
        places = self.definitions.where("template", template.id)
        self._languages(template)
        names: dict[str, frozenset[str]] = {}
        scope = scope_of(self.definitions, template.type)
        told = f"Type `{template.type}` has: {', '.join(names_of(self.definitions, template.type))}"
        for part in ("subject", "preheader", "body", "text"):
            for locale in getattr(template, part):
                source = source_of(self.definitions, template, part, locale)
                if source is None or source.text is None:
                    continue
                placed = self._placed(source, template)
                before = len(self.problems)
                found = self._language(placed, scope, told)
                if part == "body":
                    if self._was_read(before):
                        names[locale] = found
                    self._body(source, placed)
                elif part != "text" and "\n" in source.text:
                    help = "write it on one line in quotes, or with `>-`"
                    self.add(codes.SUBJECT_LINE_BREAK, f"the {part} has a line break", places.value(part, locale), help)
        if category_of_type(self.definitions, template.type) == "marketing":
            self._unsubscribe(template, names)
        else:
            self._empty_link(template)

    def _languages(self, template: Template) -> None:
        places, locales = self.definitions.where("template", template.id), self.definitions.project.locales
        for part in ("subject", "body"):
            texts: Mapping[str, object] = getattr(template, part)
            if locales[0] not in texts:
                message = f"the {part} of `{template.id}` has no `{locales[0]}`, the fallback"
                self.add(codes.MISSING_LANGUAGE, message, places.key(part), f"add `{locales[0]}:` under `{part}:`")
        for locale in locales[1:]:
            missing = [part for part in ("subject", "body") if locale not in getattr(template, part)]
            if missing:
                message = f"`{template.id}` has no {' and no '.join(missing)} in `{locale}`; those readers get `{locales[0]}`"
                self.add(codes.MISSING_LANGUAGE, message, places.key(missing[0]), f"add `{locale}:` under `{missing[0]}:`", warning=True)

    def _unsubscribe(self, template: Template, names: Mapping[str, frozenset[str]]) -> None:
        in_layout = "unsubscribe_url" in self._layout_names.get(template.layout or "", frozenset())
        places = self.definitions.where("template", template.id)
        for locale, found in names.items():
            if not in_layout and "unsubscribe_url" not in found:
                self.add(
                    codes.NO_UNSUBSCRIBE, f"`{template.id}` ({locale}) is marketing and has no unsubscribe link", places.value("body", locale),
                    "put `{{ unsubscribe_url }}` into a link of the body or of its layout",
                )  # fmt: skip

    def _empty_link(self, template: Template) -> None:
        """6.20: transactional mail has no link to unsubscribe. Where the text asks whether there is one, somebody knew."""
        for locale in template.body:
            source = source_of(self.definitions, template, "body", locale)
            if source is not None and source.text is not None and _SHOWN_LINK.search(source.text) and not _ASKED_LINK.search(source.text):
                self.add(
                    codes.NO_UNSUBSCRIBE,
                    f"`{template.id}` ({locale}) is transactional, and `unsubscribe_url` is empty in it",
                    self._placed(source, template).snippet("unsubscribe_url"),
                    "take the link out; or, if readers may refuse this mail, make its type `category: marketing` with a topic",
                    warning=True,
                )

    def _body(self, source: Source, placed: Placed) -> None:
        """Links and dangerous places, where the template itself can be read."""
        if self._broken(source.file) or source.text is None:
            return
        hidden = Placeholders()
        try:
            page = body_html(with_partials(source.text, self.definitions.partials), markdown=source.markdown, hidden=hidden)
        except Refused as refused:
            self._refused(refused, placed)
            return
        for objection in links.objections(page):
            word = hidden.source(objection.word) if WORD.fullmatch(objection.word) else objection.word
            self.add(_KINDS[objection.kind], objection.message, placed.snippet(word))

    # --- one text --------------------------------------------------------------------------------------------------

    def _language(self, placed: Placed, scope: Scope, told: str, seen: tuple[str, ...] = ()) -> frozenset[str]:
        """Checks one text and the partials that it includes; gives the names that it reads."""
        broken = unbalanced(placed.text)
        if broken is not None:
            self.add(codes.SYNTAX, broken.message, placed.at(broken.offset, broken.length), broken.help)
            return frozenset()
        try:
            tree = parse(placed.text)
        except Refused as refused:
            self._refused(refused, placed)
            return frozenset()
        found = list(refusals(tree, includes=True))
        for one in found:
            self._refused(one, placed)
        if any(one.kind == "too_large" for one in found):
            return frozenset()
        names: set[str] = set()
        for finding in walk(tree, scope):
            if finding.kind in ("name", "target"):
                # Each name takes its own place in the text, so that a mistake of the same name finds the next one.
                placed.word(finding.word, finding.line, not_after=_NO_NAME)
                if finding.kind == "name":
                    names.add(finding.word)
            elif finding.kind == "include":
                names |= self._partial(finding, placed, told, seen)
            elif finding.kind != "item_variable":
                self._finding(finding, placed, told)
        return frozenset(names)

    def _partial(self, finding: Finding, placed: Placed, told: str, seen: tuple[str, ...]) -> frozenset[str]:
        name = finding.word
        if name not in self.definitions.partials:
            known = tuple(self.definitions.partials)
            help = _near(name, known) or _known("definitions/partials/ has", known)
            self.add(codes.UNKNOWN_PARTIAL, f"unknown partial `{name}`", placed.word(name, finding.line), help)
            return frozenset()
        if name in seen:
            self.add(codes.UNKNOWN_PARTIAL, f"the partial `{name}` includes itself", placed.word(name, finding.line))
            return frozenset()
        return self._language(Placed(self.definitions.partials[name], f"definitions/partials/{name}"), finding.scope, told, (*seen, name))

    def _finding(self, finding: Finding, placed: Placed, told: str) -> None:
        if finding.kind == "unknown_variable":
            help = f"{_near(finding.word, finding.known)} {told}".strip()
            self.add(codes.UNKNOWN_VARIABLE, finding.message, placed.word(finding.word, finding.line, not_after=_NO_NAME), help)
        elif finding.kind == "unknown_field":
            help = f"{_near(finding.word, finding.known)} {_known('It has:', finding.known)}".strip() if finding.known else ""
            self.add(codes.UNKNOWN_FIELD, finding.message, placed.word(finding.word, finding.line, after=(".", "[")), help)
        else:
            self.add(_KINDS[finding.kind], finding.message, placed.word(finding.word, finding.line, again=True))

    def _refused(self, refused: Refused, placed: Placed) -> None:
        code = _KINDS[refused.kind]
        if refused.kind == "unknown_filter":
            help = f"{_near(refused.word, tuple(FILTERS))} Filters are: {', '.join(FILTERS)}".strip()
            self.add(code, refused.message, placed.word(refused.word, refused.line, after=("|",)), help)
        elif refused.kind == "unknown_test":
            help = f"{_near(refused.word, TESTS)} Tests are: {', '.join(TESTS)}".strip()
            self.add(code, refused.message, placed.word(refused.word, refused.line, after=("is", "not")), help)
        elif refused.kind == "not_allowed":
            place = placed.word(refused.word, refused.line) if refused.word else placed.line(refused.line)
            self.add(code, refused.message, place, _CAN)
        elif refused.word and refused.kind == "unknown_partial":
            self.add(code, refused.message, placed.word(refused.word, refused.line), "write a file of definitions/partials/, or the text itself")
        elif refused.word:
            self.add(code, refused.message, placed.snippet(refused.word, refused.line))
        else:
            self.add(code, refused.message, placed.line(refused.line))

    def _placed(self, source: Source, template: Template) -> Placed:
        if source.loc is None:
            return Placed(source.text or "", source.file)
        start = self.definitions.where("template", template.id).value(*source.loc)
        return Placed(source.text or "", source.file, start, self._raw_of(source.file))

    def _raw_of(self, file: str) -> str | None:
        if file not in self._raw:
            try:
                self._raw[file] = None if self._read is None else self._read(file).decode("utf-8-sig").replace("\r\n", "\n")
            except (OSError, UnicodeDecodeError, KeyError):
                self._raw[file] = None
        return self._raw[file]

    def _was_read(self, before: int) -> bool:
        """Whether the text that was looked at since then could be read to its end."""
        return not any(problem.code in (codes.SYNTAX, codes.TOO_LARGE) for problem in self.problems[before:])

    def _broken(self, file: str) -> bool:
        """Whether the file has a mistake that makes a second look at it tell the same twice."""
        serious = (codes.SYNTAX, codes.TOO_LARGE, codes.UNKNOWN_PARTIAL, codes.NOT_ALLOWED)
        return any(problem.code in serious and problem.origin is not None and problem.origin.file == file for problem in self.problems)


def _near(word: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(word, known, 1, 0.6)
    return f"did you mean `{close[0]}`?" if close else ""


def _known(head: str, known: tuple[str, ...]) -> str:
    return f"{head} {', '.join(sorted(known))}" if known else ""
