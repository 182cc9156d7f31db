"""The small language of templates: values, `if` and `for`, and a fixed list of filters. Nothing can be called.

Jinja2's sandbox is the second fence. The first is here: a tree with any other kind of node is refused before it is
compiled, and loops, arithmetic and text that grows are counted while it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context

from engine.messages import filters

MAX_SOURCE = 200_000
MAX_OUTPUT = 500_000
MAX_TURNS = 10_000
MAX_DEPTH = 40
MAX_PART = 2_000
MAX_NUMBER = 10**15
LOOP_WORDS = ("index", "index0", "revindex", "revindex0", "first", "last", "length")
TESTS = ("defined", "undefined", "none", "even", "odd", "divisibleby", "number", "string", "equalto", "eq", "ne", "lt", "le", "gt", "ge", "in")
_BUDGET = "_budget"

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Getattr, nodes.Getitem,
    nodes.Filter, nodes.Test, nodes.For, nodes.If, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr,
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos, nodes.Keyword,
)  # fmt: skip
_WORDS: Mapping[type[nodes.Node], str] = {
    nodes.Call: "a template cannot call anything",
    nodes.Assign: "`set` is not in this language; declare a variable in the type",
    nodes.AssignBlock: "`set` is not in this language; declare a variable in the type",
    nodes.Macro: "`macro` is not in this language; use a partial",
    nodes.CallBlock: "`call` is not in this language",
    nodes.Import: "`import` is not in this language; use a partial",
    nodes.FromImport: "`import` is not in this language; use a partial",
    nodes.Extends: "`extends` is not in this language; a layout does that",
    nodes.Block: "`block` is not in this language; a layout does that",
    nodes.Pow: "`**` is not in this language",
    nodes.Concat: "`~` is not in this language; write the two values one after the other",
    nodes.Include: '`include` takes the name of one partial in quotes: `{% include "name.md" %}`',
    nodes.Slice: "slices are not in this language; `for` with `loop.index` does that",
}


class Refused(Exception):
    """A template has something that is not in the language. `line` is of the source; `kind` one of the E2xx codes' names."""

    def __init__(self, message: str, line: int, word: str = "", kind: str = "not_allowed") -> None:
        super().__init__(message)
        self.message, self.line, self.word, self.kind = message, line, word, kind


class TooMuch(Exception):
    """A template made more turns, larger numbers or more text than a mail can need."""


class Budget:
    """What one rendering may still use."""

    __slots__ = ("turns",)

    def __init__(self) -> None:
        self.turns = MAX_TURNS


@pass_context
def _items(context: Context, value: object) -> list[Any] | tuple[Any, ...]:
    """What a `for` goes through: a list, whose items are counted before the first turn."""
    if isinstance(value, Undefined):
        raise SecurityError("`for` goes through a list, and there is none")
    if not isinstance(value, list | tuple):
        raise SecurityError("`for` goes through a list, and through nothing else")
    budget: Budget = context.vars[_BUDGET] if _BUDGET in context.vars else context.parent[_BUDGET]
    budget.turns -= len(value)
    if budget.turns < 0:
        raise TooMuch(f"more than {MAX_TURNS} turns of all loops together")
    return value


class LetterEnvironment(ImmutableSandboxedEnvironment):
    """Attributes only of plain mappings and of `loop`; no calls; arithmetic on numbers of a sane size."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict):
            try:
                return obj[attribute]
            except KeyError:
                return self.undefined(obj=obj, name=attribute)
        if isinstance(obj, LoopContext) and attribute in LOOP_WORDS:
            return getattr(obj, attribute)
        raise SecurityError(f"`{attribute}` cannot be asked of this value")

    def getitem(self, obj: Any, argument: Any) -> Any:
        if (isinstance(obj, dict) and isinstance(argument, str)) or (isinstance(obj, list | tuple) and type(argument) is int):
            try:
                return obj[argument]  # type: ignore[index]  # the pairs are checked in the line above
            except LookupError:
                return self.undefined(obj=obj, name=str(argument))
        raise SecurityError("`[]` takes a field of an item or a position in a list")

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - the names are Jinja2's
        raise SecurityError("a template cannot call anything")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        for side in (left, right):
            if isinstance(side, bool) or not isinstance(side, int | float | Decimal):
                raise SecurityError(f"`{operator}` takes numbers")
            if not -MAX_NUMBER <= side <= MAX_NUMBER:
                raise TooMuch("a number is too large")
        if isinstance(left, Decimal) != isinstance(right, Decimal):
            left, right = Decimal(str(left)), Decimal(str(right))
        return self.binop_table[operator](left, right)


def _environment(autoescape: bool, locale: str) -> LetterEnvironment:
    environment = LetterEnvironment(autoescape=autoescape, undefined=StrictUndefined, keep_trailing_newline=True, cache_size=0)
    environment.globals = {}
    environment.filters = {**filters.table(locale), "_items": _items}
    environment.tests = {name: environment.tests[name] for name in TESTS}
    return environment


_ENVIRONMENTS: dict[tuple[bool, str], LetterEnvironment] = {}


def environment_for(*, html: bool, locale: str) -> LetterEnvironment:
    """The environment of a language, with escaping on for HTML: always, and not by the file's name."""
    key = (html, locale)
    if key not in _ENVIRONMENTS:
        _ENVIRONMENTS[key] = _environment(html, locale)
    return _ENVIRONMENTS[key]


def parse(source: str) -> nodes.Template:
    """The tree of a template. Raises Refused with the line, also for what Jinja2 itself cannot read."""
    if len(source.encode("utf-8", "replace")) > MAX_SOURCE:
        raise Refused(f"the source has more than {MAX_SOURCE // 1000} kB", 1, kind="too_large")
    try:
        _refuse_long_parts(source)
        return environment_for(html=True, locale="en").parse(source)
    except TemplateSyntaxError as error:
        raise Refused(error.message or "the template cannot be read", error.lineno, kind="syntax") from None
    except (RecursionError, MemoryError, OverflowError, ValueError):
        raise Refused("too many brackets or blocks inside each other", 1, kind="too_large") from None


def _refuse_long_parts(source: str) -> None:
    """One `{{ … }}` of megabytes costs seconds to parse; this reads no further than it must."""
    if len(source) <= MAX_PART:
        return
    size = 0
    for line, kind, value in environment_for(html=True, locale="en").lexer.tokeniter(source, None):
        size = 0 if kind == "data" else size + len(value)
        if size > MAX_PART and kind not in ("comment", "comment_begin", "comment_end"):
            raise Refused(f"one `{{{{ }}}}` or `{{% %}}` has more than {MAX_PART} characters", line, kind="too_large")
        if kind in ("variable_end", "block_end", "comment_end", "comment"):
            size = 0


def refusals(tree: nodes.Node, *, includes: bool = False, internal: bool = False) -> Iterator[Refused]:
    """Everything in the tree that is not in the language, in the order of the source."""
    stack: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        line = getattr(node, "lineno", 1) or 1
        if depth > MAX_DEPTH:
            yield Refused(f"more than {MAX_DEPTH} brackets or blocks inside each other", line, kind="too_large")
            return
        found = _refusal(node, line, includes, internal)
        if found is not None:
            yield found
            # What is inside a refused node would only be told twice.
            continue
        stack.extend((child, depth + 1) for child in reversed(list(node.iter_child_nodes())))


def _refusal(node: nodes.Node, line: int, includes: bool, internal: bool) -> Refused | None:
    if isinstance(node, nodes.Include) and includes and isinstance(node.template, nodes.Const) and isinstance(node.template.value, str):
        return None
    if not isinstance(node, _ALLOWED) and not (includes and isinstance(node, nodes.Include)):
        word = node.node.name if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) else ""
        return Refused(_WORDS.get(type(node), f"`{type(node).__name__.lower()}` is not in this language"), line, word)
    if isinstance(node, nodes.Filter):
        if node.name == "safe":
            return Refused("`|safe` is refused: what comes from the CRM is always escaped", line, "safe")
        if node.name not in filters.NAMES and not (internal and node.name.startswith("_")):
            return Refused(f"unknown filter `{node.name}`", line, node.name, kind="unknown_filter")
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            return Refused("`*` and `**` in brackets are not in this language", line)
    if isinstance(node, nodes.Test) and node.name not in TESTS:
        return Refused(f"unknown test `{node.name}`", line, node.name, kind="unknown_test")
    if isinstance(node, nodes.For) and node.recursive:
        return Refused("`recursive` is not in this language", line, "recursive")
    if isinstance(node, nodes.Name) and node.name in ("self", "super", "caller", "varargs", "kwargs"):
        return Refused(f"`{node.name}` is not in this language", line, node.name)
    if isinstance(node, nodes.Name) and node.name.startswith("_"):
        return Refused(f"`{node.name}` begins with an underscore; no variable does", line, node.name)
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        return Refused(f"`{node.attr}` begins with an underscore; no field does", line, node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str) and node.arg.value.startswith("_"):
        return Refused(f"`{node.arg.value}` begins with an underscore; no field does", line, node.arg.value)
    if isinstance(node, nodes.Mul | nodes.Add | nodes.Mod) and any(_is_text(side) for side in (node.left, node.right)):
        return Refused(f"`{node.operator}` takes numbers, not text", line)
    return None


def _is_text(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and isinstance(node.value, str)


class Compiled:
    """One template, ready to be filled many times."""

    __slots__ = ("_render", "_template", "source")

    def __init__(self, template: Template, source: str) -> None:
        self._template = template
        self._render: Callable[[Context], Iterator[str]] = template.root_render_func
        self.source = source

    def render(self, values: Mapping[str, Any]) -> str:
        """The text. Raises TooMuch, SecurityError, UndefinedError, or what a filter says of its value."""
        context = self._template.new_context({**values, _BUDGET: Budget()})
        parts: list[str] = []
        size = 0
        for part in self._render(context):
            size += len(part)
            if size > MAX_OUTPUT:
                raise TooMuch(f"the mail has more than {MAX_OUTPUT // 1000} kB")
            parts.append(part)
        return "".join(parts)


def compile_template(source: str, *, html: bool, locale: str, internal: bool = False) -> Compiled:
    """A template of one language. Raises Refused; nothing is compiled that `refusals` names.

    `internal` allows the filters of `filters.INTERNAL`, which `links.py` puts around values in links.
    """
    tree = parse(source)
    for refused in refusals(tree, internal=internal):
        raise refused
    environment = environment_for(html=html, locale=locale)
    for loop in tree.find_all(nodes.For):
        counted = nodes.Filter(loop.iter, "_items", [], [], None, None, lineno=loop.lineno)
        loop.iter = counted
    tree.set_environment(environment)
    try:
        code = environment.compile(tree)
        return Compiled(environment.template_class.from_code(environment, code, {}), source)
    except TemplateSyntaxError as error:
        raise Refused(error.message or "the template cannot be read", error.lineno, kind="syntax") from None
    except (RecursionError, MemoryError, SyntaxError, OverflowError):
        raise Refused("too many brackets or blocks inside each other", 1, kind="too_large") from None
