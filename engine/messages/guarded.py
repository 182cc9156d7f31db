"""Work on templates that nobody has reviewed yet, in a child process with limits of time and memory.

The language has no way to run long or to grow (sandbox.py); this is the second wall, for previews and for checking.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from engine.definitions.definitions import Definitions
from engine.messages.rendering import Rendered, Renderer, RenderFailed, TemplateBroken

SECONDS = 2
MEMORY = 512 * 1024 * 1024
T = TypeVar("T")


def render_guarded(
    definitions: Definitions,
    template_id: str,
    locale: str | None,
    variables: Mapping[str, Any],
    *,
    due_at: datetime,
    unsubscribe_url: str | None = None,
    seconds: float = SECONDS,
) -> Rendered:
    """As `Renderer.render_parts`, in a child. Raises RenderFailed, also when a limit ends it, or TemplateBroken."""
    return guarded(lambda: Renderer(definitions).render_parts(template_id, locale, variables, due_at=due_at, unsubscribe_url=unsubscribe_url), seconds)


def guarded(work: Callable[[], T], seconds: float = SECONDS) -> T:
    """The result of the work, done in a child of this process. Where a process cannot be forked it is done here."""
    if "fork" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin":
        return work()
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(work, there, seconds), daemon=True)
    child.start()
    there.close()
    try:
        if not here.poll(seconds):
            raise RenderFailed(f"the template was stopped: it took more than {seconds:g} s")
        kind, value = here.recv()
    except EOFError:
        raise RenderFailed("the template was stopped: it took too much time or memory") from None
    finally:
        here.close()
        if child.is_alive():
            child.kill()
        child.join()
    if kind == "result":
        result: T = value
        return result
    raise (TemplateBroken if kind == "broken" else RenderFailed)(*value)


def _child(work: Callable[[], T], pipe: Connection, seconds: float) -> None:
    _limit(seconds)
    try:
        pipe.send(("result", work()))
    except TemplateBroken as error:
        pipe.send(("broken", (error.message,)))
    except RenderFailed as error:
        pipe.send(("failed", (error.message,)))
    except MemoryError:
        pipe.send(("failed", ("the template was stopped: it took too much memory",)))


def _limit(seconds: float) -> None:
    import resource

    whole = max(1, round(seconds + 0.5))
    resource.setrlimit(resource.RLIMIT_CPU, (whole, whole))
    # The child begins with the parent's address space; only what it adds is limited.
    with open("/proc/self/statm", encoding="ascii") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
