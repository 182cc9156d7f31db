"""A plugin for pytest: of what was collected only the tests over random values, and those that are left to `make soak`."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if _is_law(item) or _is_left_to_soak(item)]


def _is_law(item: pytest.Item) -> bool:
    # Hypothesis says so of the functions that it runs.
    return bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))


def _is_left_to_soak(item: pytest.Item) -> bool:
    reasons = [str(mark.kwargs.get("reason", "")) for mark in item.iter_markers("skipif")]
    return item.get_closest_marker("soak") is not None or any("make soak" in reason for reason in reasons)
