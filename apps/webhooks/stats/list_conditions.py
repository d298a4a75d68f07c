"""Conditions of delivery lists with literal constants in the SQL, so that SQLite uses partial indexes.

With bound parameters SQLite cannot prove that a query matches a partial index, and reads all deliveries instead.
"""

import re
from typing import Any

from django.db.models import Q, Value
from django.db.models.expressions import CombinedExpression

LITERAL_WORD = re.compile(r"[a-z_]*")


class SqlLiteral(Value):
    """A word or number from code, never from a request, as a literal in the SQL."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the literal. Raises ValueError for text other than lower-case letters and underscores."""
        if isinstance(self.value, int):
            return str(int(self.value)), ()
        if not LITERAL_WORD.fullmatch(str(self.value)):
            raise ValueError("only words of our own are written into SQL")
        return f"'{self.value}'", ()


def with_literal_constants(condition: Q) -> Q:
    """Return the condition with its constants as literals."""
    result = Q(_connector=condition.connector, _negated=condition.negated)
    for child in condition.children:
        literal = with_literal_constants(child) if isinstance(child, Q) else (child[0], _literal(child[1]))  # type: ignore[index]  # a pair
        result.children.append(literal)
    return result


def _literal(value: Any) -> Any:
    if isinstance(value, CombinedExpression):
        return CombinedExpression(value.lhs, value.connector, SqlLiteral(value.rhs.value))  # type: ignore[attr-defined]  # a Value has it
    return SqlLiteral(value)
