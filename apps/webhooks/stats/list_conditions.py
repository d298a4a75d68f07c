"""Lists of deliveries that stay quick whatever is asked for: conditions with their constants written into the SQL.

With bound parameters SQLite cannot tell that a query stays within a partial index, and reads all deliveries instead.
"""

import re
from typing import Any

from django.db.models import Q, Value
from django.db.models.expressions import CombinedExpression

PLAIN = re.compile(r"[a-z_]*")


class Constant(Value):
    """A word or number of our own, written into the statement."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Write it; never what somebody else chose."""
        if isinstance(self.value, int):
            return str(int(self.value)), ()
        if not PLAIN.fullmatch(str(self.value)):
            raise ValueError("only words of our own are written into SQL")
        return f"'{self.value}'", ()


def with_literal_constants(condition: Q) -> Q:
    """Return the condition with its constants written out."""
    made = Q(_connector=condition.connector, _negated=condition.negated)
    for child in condition.children:
        made.children.append(with_literal_constants(child) if isinstance(child, Q) else (child[0], _constant(child[1])))  # type: ignore[index]  # a pair, where it is no Q
    return made


def _constant(value: Any) -> Any:
    if isinstance(value, CombinedExpression):
        return CombinedExpression(value.lhs, value.connector, Constant(value.rhs.value))  # type: ignore[attr-defined]  # a Value has it
    return Constant(value)
