"""One slice of worlds, engine against oracle: `python -m tests.soak.oracle FIRST END` says what differed, as one line of JSON."""

from __future__ import annotations

import json
import sys
import traceback

import tests.conftest  # noqa: F401 - what a test sees is not what the machine's environment says
from tests.oracle.test_engine_agrees import difference
from tests.oracle.worlds import world_from_seed


def main(first: int, end: int) -> None:
    found: dict[int, str] = {}
    for seed in range(first, end):
        try:
            said = difference(world_from_seed(seed))
        except Exception:
            said = traceback.format_exc()[-1500:]
        if said:
            found[seed] = said[:1500]
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
