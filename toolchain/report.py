"""What is printed after an update: services with routes and masked DSNs, and what to type next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from toolchain.stack import option


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces apart."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in [header, *rows]
    ]
    return "\n".join(line.rstrip() for line in lines)


def services(outputs: Mapping[str, Any]) -> str:
    """One line a service; the DSNs come masked from the stack, so no password is in reach of this function."""
    rows = [(name, route, outputs["masked_dsns"][name]) for name, route in outputs["routes"].items()]
    return table(("SERVICE", "ROUTE", "DSN"), rows)


def next_steps(stack: str, config_file: str, passphrase: str | None, service: str) -> str:
    """The commands that a newcomer needs now; `service` is one that the stack has."""
    given = option(stack)
    rows = [
        (f"in {config_file}: route: direct → transaction, then `make up{given}`", "cut a service over"),
        (f"in {config_file}: route: transaction → direct, then `make up{given}`", "roll it back"),
        (f"make preview{given}", "show what an update would change"),
        (f'make console{given} CMD="SHOW POOLS"', "look at the pools (without CMD: the admin console)"),
        (f'eval "$(make -s env{given})"', f"use plain `pulumi … --stack {stack}` in this shell"),
        (f"pulumi stack output --show-secrets --stack {stack} {service}_dsn", "one DSN with its password"),
        (f"make down{given}", "remove the stack" + (" with its database" if stack == "dev" else "")),
    ]
    lines = ["Next:", *(f"  {line}" for line in table(("", ""), rows).splitlines()[1:])]
    if passphrase:
        lines.append(f"The secrets in {config_file} are encrypted with the passphrase in {passphrase}.")
    return "\n".join(lines)
