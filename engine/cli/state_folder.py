"""The folder `state/` of a project: what is in it stays out of git, and says what it is."""

from __future__ import annotations

from pathlib import Path

IGNORED = "*\n!.gitignore\n!README.md\n"
README = """# What the engine remembers

Nothing in this folder belongs into git; it belongs into a backup.

- `ledger.duckdb`, with `ledger.witness`: what was decided and sent, for ever. Losing it means not knowing who got what. Back both up together, while no run is on.
- `pseudonym.key`: the key behind pseudonyms and suppressions. With another one the ledger is refused.
- `outbox/`: the mails, where the transport is `outbox`. Open `index.html`.
- `inbox/`: orders (stop, pause, suppress) that a run on its way will read.
- `crm.duckdb`: the made-up CRM, where `engine init` brought one.
- `other-system.csv`: the log of a made-up system, to try `engine compare` with.
- `STOP`: while a file of this name is here, no mail leaves.
"""


def make_state_folder(state: Path) -> None:
    """The folder with its .gitignore and its README; what is there already stays as it is."""
    state.mkdir(parents=True, exist_ok=True)
    for name, text in ((".gitignore", IGNORED), ("README.md", README)):
        if not (state / name).exists():
            (state / name).write_text(text, encoding="utf-8")
