"""The questions to the database that docs/operate.md gives operators."""

import re

import pytest
from django.db import connection

from tests.house.test_documentation_names import fenced

pytestmark = pytest.mark.django_db


def test_every_query_of_the_documentation_runs():
    # Written for PostgreSQL; SQLite has no now().
    now = "now()" if connection.vendor == "postgresql" else "CURRENT_TIMESTAMP"
    blocks = [re.sub(r"--.*", "", block) for _name, block in fenced("sql")]
    statements = [each for block in blocks for each in block.split(";") if each.strip()]
    assert len(statements) >= 5
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.replace("now()", now))
            assert cursor.fetchall() is not None
