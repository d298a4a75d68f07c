"""The questions to the database that docs/operate.md gives operators."""

import re

import pytest
from django.db import connection

from tests.conventions.test_documentation_names import fenced

pytestmark = pytest.mark.django_db


def test_every_query_of_the_documentation_runs():
    blocks = [re.sub(r"--.*", "", block) for _name, block in fenced("sql")]
    statements = [each for block in blocks for each in block.split(";") if each.strip()]
    assert len(statements) >= 5
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            assert cursor.fetchall() is not None
