"""`state move`: an embedded ledger becomes the one on Postgres, with all that it remembers; nothing is sent again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from engine.errors import LedgerRefused, WrongUsage
from engine.ledger.duckdb.files import Hold, LedgerFiles
from engine.ledger.duckdb.moving import Leaving, put_aside
from engine.ledger.witness import Witness
from engine.runs.homes import EmbeddedHome, PostgresHome
from engine.runs.inbox import take_in_inbox
from engine.runs.opening import Site


@dataclass(frozen=True, slots=True)
class Moved:
    """`rows` is None when an earlier move, killed on its way, had carried them over already."""

    head: Witness
    rows: int | None
    where: str
    aside: Path


def move(site: Site, source: Path) -> Moved:
    """Carry the ledger of a file over to the environment's schema on Postgres, and put the file aside. LockHeld while a run holds either.

    LedgerRefused for a file that is not whole or of another environment, and for a schema that has rows of its own.
    """
    home = site.home
    if not isinstance(home, PostgresHome):
        raise WrongUsage(
            f"engine.yaml says that the ledger of `{site.environment.name}` is in a file",
            help="write `ledger: {postgres: …}` for this environment first; then name the file that is moved",
        )
    embedded = EmbeddedHome(source.resolve(), home.identity, home.pseudonyms)
    with embedded.open("state move", site.now) as ledger:
        # What a dead process left is settled where it was left, and no order is lost on the way.
        ledger.recover(site.now)
        take_in_inbox(ledger, site.state, site.now)
    files = LedgerFiles(source.resolve())
    with Hold(files, "state move", site.now):
        with closing(Leaving(files, home.identity)) as leaving:
            head, rows = _carry_over(site, home, leaving)
        checked = home.verify()
        if checked.faults:
            fault = checked.faults[0]
            raise LedgerRefused(f"what arrived is not whole ({fault.asked}: {fault.fault}); {source} is as it was", help="look at the server, then move again")
        aside = put_aside(files, site.now)
    return Moved(head, rows, str(home), aside)


def _carry_over(site: Site, home: PostgresHome, leaving: Leaving) -> tuple[Witness, int | None]:
    with home.ledger.open(
        home.url,
        home.identity.project,
        home.identity.environment,
        command="state move",
        schema=home.schema,
        pseudonyms=home.pseudonyms,
        witness=home.witness,
    ) as ledger:
        head, last_now = leaving.meta()
        if not ledger.is_empty() and ledger.follows(head):
            return head, None
        tables = ((name, leaving.columns(name), leaving.rows(name)) for name in leaving.tables())
        return head, ledger.take_place_of(head, last_now, tables, site.now)
