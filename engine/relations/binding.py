"""Values never stand in SQL text: each becomes a named parameter, collected beside the expression."""

from __future__ import annotations

from typing import Any

from sqlglot import exp


class Binder:
    """The values of one statement, as `$p1`, `$p2`, … in the order in which they were bound.

    >>> binder = Binder()
    >>> sql(binder.bind("O'Hara"))
    '$p1'
    >>> binder.values
    {'p1': "O'Hara"}
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def bind(self, value: Any) -> exp.Placeholder:
        """A new parameter with this value."""
        name = f"p{len(self.values) + 1}"
        self.values[name] = value
        return exp.Placeholder(this=name)

    def of(self, *expressions: exp.Expression) -> dict[str, Any]:
        """The values that these expressions name; DuckDB refuses a statement that is given more."""
        names = {node.name for expression in expressions for node in expression.find_all(exp.Placeholder)}
        return {name: value for name, value in self.values.items() if name in names}


def sql(expression: exp.Expression) -> str:
    """The expression as DuckDB's SQL. It is used up: writing it may alter it, and a copy costs as much again."""
    return expression.sql(dialect="duckdb", copy=False)
