"""Measure the check of a key with an unknown id, a wrong secret, and a valid key: timing must not reveal ids.

    .venv/bin/python benchmarks/key_check_timing.py [--checks N]

Each is checked twenty thousand times, in turn, in this process, on a temporary SQLite file. The exit code is 1 if the
medians for the two invalid keys differ by 50 µs or by three standard deviations of one check.
"""
# ruff: noqa: PLC0415 - apps can be imported once Django is set up, and that needs the folder of this run.

import argparse
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.processes import parse_options, portal_environment

MOST_SECONDS = 50e-6
MARGIN = 3.0


def timings(check: Callable[[str, str], object], create_keys: dict[str, str], checks: int) -> dict[str, list[float]]:
    """Return the durations of ``checks`` checks of each key, in alternating order."""
    names = list(create_keys)
    found: dict[str, list[float]] = {name: [] for name in names}
    gc.disable()
    for number in range(checks):
        for name in names[number % 3 :] + names[: number % 3]:
            started = time.perf_counter()
            check(create_keys[name], "203.0.113.7")
            found[name].append(time.perf_counter() - started)
    gc.enable()
    return found


def deviation(times: list[float]) -> float:
    """Return the standard deviation of one check, from the middle half of the times."""
    low, _, high = statistics.quantiles(times, n=4)
    return (high - low) / 1.349


def report(found: dict[str, list[float]]) -> int:
    """Print the medians and return the exit code."""
    for name, times in found.items():
        print(f"{name:14} median {statistics.median(times) * 1e6:8.1f} µs ± {deviation(times) * 1e6:.2f}")
    unknown, wrong = found["unknown id"], found["wrong secret"]
    apart = abs(statistics.median(unknown) - statistics.median(wrong))
    noise = MARGIN * max(deviation(unknown), deviation(wrong))
    print(f"the two refusals are {apart * 1e6:.2f} µs apart; three deviations of one check are {noise * 1e6:.2f} µs")
    return int(apart >= min(noise, MOST_SECONDS))


def create_keys() -> tuple[Callable[[str, str], object], dict[str, str]]:
    """Create the database and a key; return the function that checks keys, and the three keys by name."""
    import django

    django.setup()
    from django.core.management import call_command

    from apps.api_keys import actions
    from apps.base.actor import system
    from apps.base.crypto.secrets import checksum, new_key
    from apps.credentials.gate import key_check
    from apps.orgs.models import Organization

    call_command("migrate", verbosity=0)
    acme = Organization.objects.create(name="Acme", slug="acme")
    _row, good = actions.create_key(
        actor=system(acme.pk), name="Timed", key_type="internal", scopes=["users:read"], limits={}
    )
    body = good[:16] + new_key("ipk_").plaintext[16:48]
    return key_check.check, {
        "unknown id": new_key("ipk_").plaintext,
        "wrong secret": body + checksum(body),
        "good key": good,
    }


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checks", type=int, default=20_000)
    options = parse_options(parser, checks=200)
    with tempfile.TemporaryDirectory(prefix="key-check-") as folder:
        os.environ.update(portal_environment(Path(folder), ""))
        check, keys = create_keys()
        timings(check, keys, 200)
        return report(timings(check, keys, options.checks))


if __name__ == "__main__":
    sys.exit(main())
