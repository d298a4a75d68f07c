"""How long the check of an unknown id, a wrong secret and a good key takes: ids must not be fishable (promise 19).

    .venv/bin/python benchmarks/key_check_timing.py [--checks N]

Twenty thousand checks of each, interleaved, in this process, on a SQLite file of its own. Exit code 1 where the medians
of the two refusals are 50 µs apart, or more than three standard deviations of one check.
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


def timings(check: Callable[[str, str], object], texts: dict[str, str], checks: int) -> dict[str, list[float]]:
    """Time each text so often, in changing order."""
    names = list(texts)
    found: dict[str, list[float]] = {name: [] for name in names}
    gc.disable()
    for number in range(checks):
        for name in names[number % 3 :] + names[: number % 3]:
            started = time.perf_counter()
            check(texts[name], "203.0.113.7")
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


def texts() -> tuple[Callable[[str, str], object], dict[str, str]]:
    """Make the database, a key, and the three texts; and return them with the gate's check."""
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
    body = good[:16] + new_key("ipk_").text[16:48]
    return key_check.check, {
        "unknown id": new_key("ipk_").text,
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
        check, three = texts()
        timings(check, three, 200)
        return report(timings(check, three, options.checks))


if __name__ == "__main__":
    sys.exit(main())
