"""How many random cases a law gets: 50 in `make test`, the same ones each time; `make soak` says more in HYPOTHESIS_EXAMPLES."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

CASES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "50"))
# A slow machine, or a world that takes long to draw, is no failure of a law.
_CALM = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("laws", max_examples=CASES, deadline=None, derandomize=CASES <= 50, suppress_health_check=_CALM)


def cases(share: float) -> settings:
    """For a law whose cases cost less or more than others: so many times the usual number."""
    return settings(settings.get_profile("laws"), max_examples=max(1, round(CASES * share)))
