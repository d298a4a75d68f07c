"""An unknown id and a wrong secret cost the same time, so that ids cannot be fished for (promise 19, short form).

The long form, with 20,000 checks, is a benchmark. A noisy machine gets three tries; a real
difference fails all of them.
"""

import gc
import statistics
import time

import pytest

from apps.base.crypto.secrets import checksum, new_key
from apps.credentials.gate import key_check, key_rows
from apps.credentials.gate.key_rows import DUMMY_DIGEST
from apps.credentials.key_kinds import KEY_KINDS

pytestmark = pytest.mark.django_db

CHECKS = 2_000
TRIES = 3
MOST_SECONDS = 50e-6
# A machine that is slow, or busy, stretches the whole check and with it what the database takes longer to find a row.
MOST_OF_A_CHECK = 0.15


def with_wrong_secret(text: str) -> str:
    """The id of a real key with the secret of another, and the checksum that belongs to it."""
    body = text[:16] + new_key("ipk_").plaintext[16:48]
    return body + checksum(body)


def time_of(text: str) -> float:
    started = time.perf_counter()
    verdict = key_check.check(text, "203.0.113.7")
    ended = time.perf_counter()
    assert verdict.refusal.code == "invalid_api_key" and verdict.key is None
    return ended - started


def difference(unknown: list[float], wrong: list[float]) -> tuple[float, float]:
    """Return the difference of the medians, and three standard errors of it, from the middle half."""
    includes_successors = []
    for times in (unknown, wrong):
        quarter, _middle, three_quarters = statistics.quantiles(times, n=4)
        includes_successors.append((three_quarters - quarter) / 1.349 * 1.253 / len(times) ** 0.5)
    error = (includes_successors[0] ** 2 + includes_successors[1] ** 2) ** 0.5
    return abs(statistics.median(unknown) - statistics.median(wrong)), 3 * error


def test_an_unknown_id_takes_as_long_as_a_wrong_secret(acme_key):
    unknown, wrong = new_key("ipk_").plaintext, with_wrong_secret(acme_key.text)
    found = []
    for _ in range(TRIES):
        times: tuple[list[float], list[float]] = ([], [])
        gc.disable()
        try:
            for number in range(CHECKS):
                for kind in (0, 1) if number % 2 else (1, 0):
                    times[kind].append(time_of((unknown, wrong)[kind]))
        finally:
            gc.enable()
        apart, noise = difference(*times)
        if apart < max(MOST_SECONDS, noise, MOST_OF_A_CHECK * statistics.median(times[0])):
            return
        found.append((round(apart * 1e6, 1), round(noise * 1e6, 1)))
    pytest.fail(f"apart in µs, and what noise would explain: {found}")


def test_an_unknown_id_still_reads_and_checks_one_row(acme, make_key, monkeypatch):
    key, rows, seen = make_key(acme, "users:read"), KEY_KINDS["ipk_"].rows, []

    def matches(_text, stored, _pepper_id):
        seen.append(stored)
        return True

    monkeypatch.setattr(key_rows, "matches", matches)
    before = "0" * 12
    assert rows.find(before, key.text) is None and seen == [key.row.digest]
    assert rows.find("z" * 13, key.text) is None and seen[1:] == [DUMMY_DIGEST]
    assert rows.find(key.row.key_id, key.text).pk == key.row.pk
