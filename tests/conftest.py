"""What all tests share: how many random cases a law gets, and nothing of this person's machine."""

from __future__ import annotations

import os

from hypothesis import settings

from tests import laws as _laws  # noqa: F401 - registers the profile

settings.load_profile("laws")

# Whatever the machine says must not change what a test sees.
for name in ("CI", "ENGINE_STOP", "ENGINE_PSEUDONYM_KEY", "ENGINE_FAILPOINT", "NO_COLOR", "FORCE_COLOR"):
    os.environ.pop(name, None)
