"""What `ci init` wrote, what it did not and why, and what is to be set before it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.views.phrases import wrapped

_WHERE = {
    "github": {
        "to look": "Settings, Environments, `campaigns-look`; of the ledger the role `engine_plan` (`engine state roles`), of the CRM one that can only SELECT",
        "to send": "Settings, Environments, `campaigns-send`; restrict it to the default branch",
    },
    "gitlab": {
        "to look": "Settings, CI/CD, Variables, for the environment `campaigns-look`; of the ledger the role `engine_plan` (`engine state roles`), of the CRM one that can only SELECT",
        "to comment": "Settings, CI/CD, Variables, for the environment `campaigns-comment`: an access token of the project with the scope `api`",
        "to send": "Settings, CI/CD, Variables, protected and masked, for the environment `campaigns-send`",
    },
}


def as_text(
    files: Sequence[str], left_out: Mapping[str, str], secrets: Mapping[str, Sequence[str]], *, host: str, environment: str, command: str, width: int
) -> str:
    lines = [f"Written, for the people of `{environment}`", *(f"  {path}" for path in files), ""]
    if left_out:
        lines.append("Not written")
        for reason in dict.fromkeys(left_out.values()):
            for path in (path for path, said in left_out.items() if said == reason):
                lines.append(f"  {path}")
            lines += wrapped(f"{reason}.", width, first="    ", rest="    ")
        lines.append("")
    if secrets:
        lines.append("To be set before it works")
        for purpose, names in secrets.items():
            lines += wrapped(f"{purpose}: {_WHERE[host][purpose]}", width, first="  ", rest="    ")
            lines += [f"      {name}" for name in names]
        lines.append("")
    lines.append("Next")
    lines += wrapped("look at the files, commit them, and protect the default branch: whoever may merge may send.", width, first="  ", rest="  ")
    lines.append("  pre-commit install   runs the same checks before each commit")
    lines.append(f"  {command}")
    return "\n".join(lines) + "\n"
