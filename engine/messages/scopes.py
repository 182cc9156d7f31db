"""What each name in a template can be: a walk over its tree that knows the type's variables and the items of its lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jinja2 import nodes

from engine.definitions.definitions import Definitions
from engine.definitions.variables import ALWAYS, about_of, variables_of
from engine.messages.sandbox import LOOP_WORDS
from engine.messages.values import item_kinds, kind_of


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value is: `text`, `number`, `date`, `boolean`, `list` and `item` (with fields), `loop`, or `any` where it cannot be said.

    `records` says of a list or an item that its fields are the variables of the type: `items` (4.8).
    """

    name: str
    fields: Mapping[str, Kind] = field(default_factory=dict)
    records: bool = False

    def item(self) -> Kind:
        """What a `for` through it gives."""
        return Kind("item", self.fields, self.records) if self.name == "list" and self.fields else ANY


ANY, TEXT, NUMBER, DATE, BOOLEAN = Kind("any"), Kind("text"), Kind("number"), Kind("date"), Kind("boolean")
LOOP = Kind("loop")
_BY_TYPE: Mapping[str, Kind] = {"text": TEXT, "integer": NUMBER, "decimal": NUMBER, "boolean": BOOLEAN, "date": DATE, "timestamp": DATE}
_WANTED: Mapping[str, str] = {
    **dict.fromkeys(("date", "long_date", "datetime"), "date"),
    **dict.fromkeys(("money", "number", "round", "abs"), "number"),
    **dict.fromkeys(("join", "first", "last"), "list"),
}
_WORDS = {"text": "a text", "number": "a number", "date": "a date", "boolean": "yes or no", "list": "a list", "item": "an item of a list", "loop": "the loop"}


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that may be read here."""

    names: Mapping[str, Kind]

    def with_names(self, more: Mapping[str, Kind]) -> Scope:
        return Scope({**self.names, **more})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the walk saw: a mistake, or what the text reads (`name`, `include`, `item_variable` of one of `items`) and makes (`target`)."""

    kind: str
    word: str
    line: int
    message: str = ""
    known: tuple[str, ...] = ()
    scope: Scope = Scope({})


def scope_of(definitions: Definitions, type_id: str, more: tuple[str, ...] = ()) -> Scope:
    """What a template of a type may read."""
    about = about_of(definitions, type_id)
    declared: dict[str, Kind] = {}
    for name, variable in variables_of(definitions, type_id).items():
        kind = kind_of(definitions, about, variable)
        if kind == "list":
            declared[name] = Kind("list", {field: _BY_TYPE[type_] for field, type_ in item_kinds(definitions, about, variable).items()})
        else:
            declared[name] = TEXT if variable.format is not None or variable.currency is not None else _BY_TYPE.get(kind, ANY)
    always = {**dict.fromkeys(ALWAYS, TEXT), "current_year": NUMBER, "items": Kind("list", declared, records=True)}
    return Scope({**always, **dict.fromkeys(more, TEXT), **declared})


def walk(tree: nodes.Node, scope: Scope) -> Iterator[Finding]:
    """Everything that the tree reads, and every mistake in it, in the order of the source."""
    for child in tree.iter_child_nodes():
        yield from _statement(child, scope)


def _statement(node: nodes.Node, scope: Scope) -> Iterator[Finding]:
    if isinstance(node, nodes.For):
        yield from _for(node, scope)
    elif isinstance(node, nodes.Include):
        if isinstance(node.template, nodes.Const) and isinstance(node.template.value, str):
            yield Finding("include", node.template.value, node.lineno, scope=scope)
    elif isinstance(node, nodes.Expr):
        kind, findings = _expression(node, scope)
        yield from findings
    else:
        for child in node.iter_child_nodes():
            yield from _statement(child, scope)


def _for(node: nodes.For, scope: Scope) -> Iterator[Finding]:
    for name in (node.target, *node.target.find_all(nodes.Name)):
        if isinstance(name, nodes.Name):
            yield Finding("target", name.name, name.lineno)
    kind, findings = _expression(node.iter, scope)
    yield from findings
    if kind.name not in ("list", "any"):
        yield Finding("misfit", _last_word(node.iter), node.lineno, f"`for` goes through a list, and this is {_WORDS[kind.name]}")
    item = kind.item()
    one = isinstance(node.target, nodes.Name)
    names = {name.name: item if one else ANY for name in (node.target, *node.target.find_all(nodes.Name)) if isinstance(name, nodes.Name)}
    inner = scope.with_names({**names, "loop": LOOP})
    if node.test is not None:
        yield from _statement(node.test, inner)
    for child in node.body:
        yield from _statement(child, inner)
    for child in node.else_:
        yield from _statement(child, scope)


def _expression(node: nodes.Node, scope: Scope) -> tuple[Kind, list[Finding]]:
    """What an expression is, and what was seen on the way. What the language refuses is told by sandbox.py, once."""
    if isinstance(node, nodes.Call) or (isinstance(node, nodes.Name) and node.name.startswith("_")):
        return ANY, []
    if isinstance(node, nodes.Name):
        if node.name in scope.names:
            return scope.names[node.name], [Finding("name", node.name, node.lineno)]
        return ANY, [Finding("unknown_variable", node.name, node.lineno, f"unknown variable `{node.name}`", tuple(scope.names))]
    if isinstance(node, nodes.Const):
        value = node.value
        return (BOOLEAN if isinstance(value, bool) else NUMBER if isinstance(value, int | float) else TEXT if isinstance(value, str) else ANY), []
    if isinstance(node, nodes.Getattr):
        kind, findings = _expression(node.node, scope)
        found, more = _member(kind, node.attr, node.lineno, _last_word(node.node))
        return found, findings + more
    if isinstance(node, nodes.Getitem):
        return _getitem(node, scope)
    if isinstance(node, nodes.Filter):
        return _filter(node, scope)
    if isinstance(node, nodes.Compare):
        return BOOLEAN, _compare(node, scope)
    findings = [finding for child in node.iter_child_nodes() for finding in _expression(child, scope)[1]]
    if isinstance(node, nodes.Not | nodes.Test):
        return BOOLEAN, findings
    if isinstance(node, nodes.BinExpr) and not isinstance(node, nodes.And | nodes.Or):
        return NUMBER, findings
    return ANY, findings


def _getitem(node: nodes.Getitem, scope: Scope) -> tuple[Kind, list[Finding]]:
    kind, findings = _expression(node.node, scope)
    if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        found, more = _member(kind, node.arg.value, node.lineno, _last_word(node.node))
        return found, findings + more
    findings += _expression(node.arg, scope)[1]
    if kind.name not in ("list", "any"):
        findings.append(Finding("misfit", _last_word(node.node), node.lineno, f"`[]` takes a position in a list, and this is {_WORDS[kind.name]}"))
    return kind.item(), findings


def _member(kind: Kind, name: str, line: int, of: str) -> tuple[Kind, list[Finding]]:
    if kind.name == "any" or name.startswith("_"):
        # It may be one of `items`: what is asked of it counts as used.
        return ANY, [Finding("item_variable", name, line)] if kind.name == "any" else []
    if kind.name == "loop":
        if name in LOOP_WORDS:
            return (BOOLEAN if name in ("first", "last") else NUMBER), []
        return ANY, [Finding("unknown_field", name, line, f"`loop` has no `{name}`", LOOP_WORDS)]
    if kind.name == "item":
        if name in kind.fields:
            return kind.fields[name], [Finding("item_variable", name, line)] if kind.records else []
        return ANY, [Finding("unknown_field", name, line, f"unknown field `{name}` of `{of}`", tuple(kind.fields))]
    if kind.name == "list":
        return ANY, [Finding("unknown_field", name, line, f"`{of}` is a list; `{name}` belongs to its items: use `for`, or `{of}[0].{name}`")]
    return ANY, [Finding("unknown_field", name, line, f"`{of}` is {_WORDS[kind.name]} and has no `{name}`")]


def _filter(node: nodes.Filter, scope: Scope) -> tuple[Kind, list[Finding]]:
    kind, findings = _expression(node.node, scope) if node.node is not None else (ANY, [])
    for child in (*node.args, *node.kwargs):
        findings = findings + _expression(child, scope)[1]
    if kind.name == "any":
        return (TEXT if node.name in ("upper", "lower", "title", "trim", "join") else ANY), findings
    wanted = _WANTED.get(node.name)
    if wanted is not None and kind.name != wanted:
        message = f"`{node.name}` takes {_WORDS[wanted]}, and `{_last_word(node.node)}` is {_WORDS[kind.name]}"
        findings = [*findings, Finding("misfit", node.name, node.lineno, message)]
    if node.name in ("first", "last"):
        return kind.item(), findings
    if node.name in ("default", "d"):
        return (kind if kind.name in ("list", "text") else ANY), findings
    return (NUMBER if node.name in ("length", "count", "round", "abs", "thai_year") else TEXT), findings


def _compare(node: nodes.Compare, scope: Scope) -> list[Finding]:
    left, findings = _expression(node.expr, scope)
    for operand in node.ops:
        right, more = _expression(operand.expr, scope)
        findings = findings + more
        ordered = operand.op in ("lt", "gt", "lteq", "gteq")
        if ordered and "any" not in (left.name, right.name) and left.name != right.name:
            findings = [*findings, Finding("misfit", _last_word(node.expr), node.lineno, f"{_WORDS[left.name]} is compared with {_WORDS[right.name]}")]
    return findings


def _last_word(node: nodes.Node | None) -> str:
    """The name by which a reader knows the expression."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Getitem | nodes.Filter) and node.node is not None:
        return _last_word(node.node)
    return "this"
