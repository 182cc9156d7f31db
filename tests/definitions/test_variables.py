"""What a template may say, and its category."""

from __future__ import annotations

from engine.definitions.variables import about_of, category_of, names_of, topic_of, variables_of
from tests.definitions.projects import good


def test_a_type_has_common_inherited_and_own_variables() -> None:
    """In this order, so that the nearest wins; two names are there without a declaration."""
    definitions = good()
    assert list(variables_of(definitions, "renewal"))[:4] == ["company_name", "contact_name", "contract_number", "end_date"]
    assert {"current_year", "unsubscribe_url"} <= set(names_of(definitions, "news"))
    assert about_of(definitions, "renewal") == "contract"


def test_6_20_category_and_topic_come_from_the_type_or_what_it_extends() -> None:
    """A transactional template has no topic."""
    definitions = good()
    assert (category_of(definitions, "renewal-30"), topic_of(definitions, "renewal-30")) == ("transactional", None)
    assert (category_of(definitions, "tips"), topic_of(definitions, "tips")) == ("marketing", "product-news")
