"""What a statement needs of its connection, read by Postgres' own parser (pglast).

The text of a statement may hold secrets, so it never leaves this file: what comes out is its kind, with names of
channels, settings, tables, cursors and prepared statements, and no literal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pglast import ast, parse_sql
from pglast.enums import parsenodes, primnodes
from pglast.parser import ParseError
from pglast.visitors import Ancestor, Visitor

from views.wording import printable

REPORTED = frozenset(
    {
        *("application_name", "client_encoding", "datestyle", "default_transaction_read_only"),
        *("intervalstyle", "scram_iterations", "standard_conforming_strings", "timezone"),
    }
)
"""Settings that Postgres 14 to 17 report to the client; PgBouncer keeps them per client on the transaction lane."""

OWN = frozenset({"client_connection_check_interval"})
"""What the pooler sets itself on each of its backends (components/ini.py)."""

_SESSION_LOCKS = frozenset(
    {
        *("pg_advisory_lock", "pg_advisory_lock_shared"),
        *("pg_try_advisory_lock", "pg_try_advisory_lock_shared"),
        *("pg_advisory_unlock", "pg_advisory_unlock_shared"),  # …_all is what drivers run to reset
    }
)
_SESSION_STATE = frozenset({"currval", "lastval", "dblink_connect", "dblink_connect_u"})
"""They read or leave what a backend keeps; in one transaction the first two are harmless, which no text tells."""

_PER_TRANSACTION = ("TRANSACTION", "TRANSACTION SNAPSHOT")
_DDL = (
    *("Alter", "Create", "Drop", "Cluster", "Comment", "Define", "Grant", "Index", "RefreshMatView"),
    *("Reindex", "Rename", "RuleStmt", "Vacuum", "ViewStmt", "Import", "SecLabel"),
)

_SPELLED = {
    "Create": "CREATE TABLE",
    "Index": "CREATE INDEX",
    "View": "CREATE VIEW",
    "RefreshMatView": "REFRESH MATERIALIZED VIEW",
}


class Kind(StrEnum):
    """How a statement and a lane go together."""

    SESSION = "session"
    """It needs the same backend for longer than a transaction."""
    DDL = "ddl"
    """It changes schema, roles or rights, or maintains tables."""
    OPAQUE = "opaque"
    """It runs a body that is not seen here."""


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that a statement does; `shown` names it without any literal."""

    kind: Kind
    shown: str


def findings(text: str) -> tuple[Finding, ...] | None:
    """What the statements of `text` need; empty where any lane will do, None where the text cannot be parsed.

    Parameters as in pg_stat_statements (`SET work_mem = $1`) are understood.
    """
    try:
        parsed = parse_sql(text)
    except ParseError:  # cut off, or no SQL
        return None
    found: dict[Finding, None] = {}
    for raw in parsed:
        if raw.stmt is None:
            continue
        seen = _Needs()
        seen(raw.stmt)
        found |= dict.fromkeys(seen.found)
        if not seen.found and type(raw.stmt).__name__.startswith(_DDL):
            found[Finding(Kind.DDL, _spelled(type(raw.stmt).__name__.removesuffix("Stmt")))] = None
    return tuple(found)


def _spelled(kind: str) -> str:
    """`AlterTable` as `ALTER TABLE`."""
    return _SPELLED.get(kind) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).upper()


class _Needs(Visitor):
    """Collects what each node of one statement needs."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    def _add(self, kind: Kind, *words: str | None) -> None:
        self.found.append(Finding(kind, printable(" ".join(word for word in words if word))))

    def visit_ListenStmt(self, _: Ancestor, node: ast.ListenStmt) -> None:  # noqa: N802 pglast's names
        self._add(Kind.SESSION, "LISTEN", node.conditionname)

    def visit_VariableSetStmt(self, ancestors: Ancestor, node: ast.VariableSetStmt) -> None:  # noqa: N802
        """`SET LOCAL`, `RESET` and a function's own `SET` clause end with what they belong to."""
        part_of_another = ancestors.parent is not None
        resets = node.kind in (
            parsenodes.VariableSetKind.VAR_RESET,
            parsenodes.VariableSetKind.VAR_RESET_ALL,
            parsenodes.VariableSetKind.VAR_SET_DEFAULT,
        )
        name = str(node.name)
        if (
            node.is_local
            or resets
            or part_of_another
            or name in _PER_TRANSACTION
            or name.lower() in REPORTED | OWN
        ):
            return
        self._add(Kind.SESSION, "SET", name)

    def visit_PrepareStmt(self, _: Ancestor, node: ast.PrepareStmt) -> None:  # noqa: N802
        self._add(Kind.SESSION, "PREPARE", node.name)

    def visit_ExecuteStmt(self, _: Ancestor, node: ast.ExecuteStmt) -> None:  # noqa: N802
        self._add(Kind.SESSION, "EXECUTE", node.name)

    def visit_DeclareCursorStmt(self, _: Ancestor, node: ast.DeclareCursorStmt) -> None:  # noqa: N802
        """A cursor without hold ends with its transaction."""
        if (node.options or 0) & parsenodes.CURSOR_OPT_HOLD:
            self._add(Kind.SESSION, "DECLARE", node.portalname, "WITH HOLD")

    def visit_LoadStmt(self, _: Ancestor, __: ast.LoadStmt) -> None:  # noqa: N802
        self._add(Kind.SESSION, "LOAD")

    def visit_CreateStmt(self, _: Ancestor, node: ast.CreateStmt) -> None:  # noqa: N802
        if node.oncommit != primnodes.OnCommitAction.ONCOMMIT_DROP:
            self._temporary("TABLE", node.relation)

    def visit_IntoClause(self, _: Ancestor, node: ast.IntoClause) -> None:  # noqa: N802
        """CREATE TEMP TABLE … AS and SELECT … INTO TEMP."""
        if node.onCommit != primnodes.OnCommitAction.ONCOMMIT_DROP:
            self._temporary("TABLE", node.rel)

    def visit_CreateSeqStmt(self, _: Ancestor, node: ast.CreateSeqStmt) -> None:  # noqa: N802
        self._temporary("SEQUENCE", node.sequence)

    def visit_ViewStmt(self, _: Ancestor, node: ast.ViewStmt) -> None:  # noqa: N802
        self._temporary("VIEW", node.view)

    def _temporary(self, what: str, relation: ast.RangeVar | None) -> None:
        if relation is None:
            return
        if relation.relpersistence == "t" or relation.schemaname == "pg_temp":
            self._add(Kind.SESSION, "CREATE TEMP", what, relation.relname)

    def visit_FuncCall(self, _: Ancestor, node: ast.FuncCall) -> None:  # noqa: N802
        name = _name(node)
        if name in _SESSION_LOCKS | _SESSION_STATE:
            self._add(Kind.SESSION, name)
        elif name == "set_config" and node.args and len(node.args) == 3 and not _is_true(node.args[2]):
            given = node.args[0]
            setting = given.val.sval if _is_text(given) else None
            if setting is None or setting.lower() not in REPORTED:
                self._add(
                    Kind.SESSION if isinstance(node.args[2], ast.A_Const) else Kind.OPAQUE,
                    "set_config",
                    setting,
                )

    def visit_DoStmt(self, _: Ancestor, __: ast.DoStmt) -> None:  # noqa: N802
        self._add(Kind.OPAQUE, "DO")

    def visit_CallStmt(self, _: Ancestor, node: ast.CallStmt) -> None:  # noqa: N802
        self._add(Kind.OPAQUE, "CALL", _name(node.funccall) if node.funccall else None)


def _name(call: ast.FuncCall) -> str:
    """Without its schema."""
    return str(call.funcname[-1].sval) if call.funcname else ""


def _is_true(node: ast.Node) -> bool:
    constant = node.arg if isinstance(node, ast.TypeCast) else node
    return isinstance(constant, ast.A_Const) and (
        getattr(constant.val, "boolval", None) is True
        or getattr(constant.val, "sval", None) in ("t", "true", "on", "1")
    )


def _is_text(node: ast.Node) -> bool:
    return isinstance(node, ast.A_Const) and isinstance(node.val, ast.String)
