"""Which rights on which tables a statement uses: what a role of least privilege would be granted."""

from __future__ import annotations

from pglast import ast, parse_sql
from pglast.parser import ParseError
from pglast.visitors import Ancestor, Visitor

Use = tuple[str, str, str]
"""(privilege, schema or empty, table)."""

SYSTEM = ("pg_catalog", "information_schema", "pg_temp")


def uses(text: str) -> frozenset[Use]:
    """Rights that the statements of `text` need; none where it cannot be parsed. What functions do is not seen."""
    try:
        parsed = parse_sql(text)
    except ParseError:
        return frozenset()
    found: set[Use] = set()
    for raw in parsed:
        if isinstance(raw.stmt, ast.SelectStmt | ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt
                      | ast.MergeStmt | ast.CopyStmt | ast.TruncateStmt | ast.PrepareStmt
                      | ast.DeclareCursorStmt):  # fmt: skip
            seen = _Tables()
            seen(raw.stmt)
            found |= seen.used()
    return frozenset(found)


class _Tables(Visitor):
    def __init__(self) -> None:
        self._found: set[Use] = set()
        self._named_here: set[str] = set()
        self._locks = False

    def used(self) -> set[Use]:
        """Without names that WITH gives to queries, and without catalogs, which everybody may read."""
        found = self._found
        if self._locks:  # FOR UPDATE and FOR SHARE need the right to update
            found = found | {("UPDATE", schema, table) for _, schema, table in found}
        return {
            (privilege, schema, table)
            for privilege, schema, table in found
            if (schema or table not in self._named_here)
            and schema not in SYSTEM
            and not (not schema and table.startswith("pg_"))
        }

    def visit_CommonTableExpr(self, _: Ancestor, node: ast.CommonTableExpr) -> None:  # noqa: N802 pglast's names
        self._named_here.add(str(node.ctename))

    def visit_LockingClause(self, _: Ancestor, __: ast.LockingClause) -> None:  # noqa: N802
        self._locks = True

    def visit_RangeVar(self, ancestors: Ancestor, node: ast.RangeVar) -> None:  # noqa: N802
        if node.relpersistence == "t" or ancestors.find_nearest(ast.LockingClause):  # there it is an alias
            return
        for privilege in _privileges(ancestors):
            self._found.add((privilege, str(node.schemaname or ""), str(node.relname)))


_OF_A_TARGET: dict[type[ast.Node], tuple[str, ...]] = {
    ast.InsertStmt: ("INSERT",),
    ast.UpdateStmt: ("UPDATE", "SELECT"),  # its WHERE reads
    ast.DeleteStmt: ("DELETE", "SELECT"),
    ast.MergeStmt: ("INSERT", "UPDATE", "DELETE", "SELECT"),
    ast.TruncateStmt: ("TRUNCATE",),
}


def _privileges(ancestors: Ancestor) -> tuple[str, ...]:
    """By where the table stands: the target of a change, or something that is read."""
    above = ancestors
    while isinstance(above.node, tuple) and above.parent is not None:
        above = above.parent
    if isinstance(above.node, ast.CopyStmt):
        return ("INSERT",) if above.node.is_from else ("SELECT",)
    if above.member in ("relation", "relations"):
        return _OF_A_TARGET.get(type(above.node), ("SELECT",))
    return ("SELECT",)
