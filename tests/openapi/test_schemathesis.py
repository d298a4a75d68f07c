"""The API does what its document says, whatever is sent.

``SCHEMATHESIS_CASES=2000 pytest -s tests/openapi/test_schemathesis.py``: everything on the edges of the schema, and so
many cases by chance for each class of views; ``-s`` shows how far it is, and in the end how they were answered.
"""

import os
from collections import Counter

import pytest

from tests.openapi.fuzzing import Fuzzer

pytestmark = pytest.mark.django_db
CASES = int(os.environ.get("SCHEMATHESIS_CASES", "0"))
# In the ordinary suite: a part of it.
FEW, STEP = 4, 6


def test_every_answer_is_documented(fuzzer: Fuzzer) -> None:
    operations = list(fuzzer.operations())
    of_class = Counter(fuzzer.class_of(each) for each in operations)
    for operation in operations:
        fuzzer.boundaries(operation, 1 if CASES else STEP)
        fuzzer.random(operation, CASES // of_class[fuzzer.class_of(operation)] if CASES else FEW)
        print(f"{operation.label}: {fuzzer.findings.whole.total()} cases, {len(fuzzer.findings.wrong)} wrong", flush=True)
    print(f"\n{fuzzer.findings.table()}")
    assert not fuzzer.findings.wrong, "\n\n".join(fuzzer.findings.wrong.values())
    assert {200, 201, 202, 204, 400, 404} <= fuzzer.findings.whole.keys()
