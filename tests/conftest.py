"""What all tests share: how many random cases a law gets, and no way out of this machine."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# `make test` gives each law 50 cases, the same ones each time; `make soak` sets HYPOTHESIS_EXAMPLES.
_cases = int(os.environ.get("HYPOTHESIS_EXAMPLES", "50"))
settings.register_profile("test", max_examples=_cases, deadline=None, derandomize=_cases <= 50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.load_profile("test")

# Whatever the machine says must not change what a test sees.
for name in ("CI", "ENGINE_STOP", "ENGINE_PSEUDONYM_KEY", "ENGINE_FAILPOINT", "NO_COLOR", "FORCE_COLOR"):
    os.environ.pop(name, None)
