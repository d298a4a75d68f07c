"""Compare one API request to the portal (authenticated, authorized, rate limited, logged) with the usual packages.

    .venv/bin/python benchmarks/api_call.py [--seconds N] [--rounds N] [--json] [--database URL] [--redis URL]

All servers run on free ports of 127.0.0.1 and in a temporary folder, and are stopped at the end. First the program
checks that the portal enforces limits exactly and logs each request, as results would mean nothing otherwise. Then each
round measures all variants, so that disturbances affect all of them. The table shows medians and their ratio to the
bare view.

--database: a PostgreSQL scratch database, in which two schemas are created and dropped; the default is SQLite.
--redis: a scratch Redis; by default the program starts one if redis-server is installed. The other packages are in
requirements/bench.txt.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import checks, load
from benchmarks.api_call_setup import ApiCallSetup, Variant
from benchmarks.processes import BenchmarkFailed, parse_options, process_group

PATHS = ("/v1/trivial", "/v1/users")
SCHEMAS = ("benchmark_portal", "benchmark_rivals")
WARM_SECONDS = 1.0
Measurements = dict[tuple[str, str], list[dict[str, float]]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each variant and path in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="processes of each web server")
    parser.add_argument("--threads", type=int, default=4, help="threads of each process")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--database", default="", metavar="URL")
    parser.add_argument("--redis", default="", metavar="URL")
    parser.add_argument("--only", default="", metavar="NAME,NAME", help="variants, bare besides")
    parser.add_argument("--json", action="store_true")
    return parse_options(parser, seconds=0.3, rounds=1)


def measure(variant: Variant, path: str, options: argparse.Namespace, seconds: float) -> dict[str, float]:
    """Send requests to one variant and return the results; raise BenchmarkFailed if a response is not 200."""
    before = variant.cpu_seconds()
    outcome = load.run(variant.server.port, path, variant.headers, options.connections, seconds)
    checks.check(set(outcome.statuses) == {"200"} and not outcome.broken, f"{variant.name} {path}: {outcome}")
    used = variant.cpu_seconds() - before
    return {
        "answered": outcome.answered,
        "rate": outcome.answered / outcome.seconds,
        "cpu_us": used / outcome.answered * 1e6,
    }


def rounds(variants: list[Variant], options: argparse.Namespace) -> Measurements:
    """Measure all variants on all paths in turn, ``options.rounds`` times after one round of warm-up."""
    found: Measurements = {}
    for number in range(options.rounds + 1):
        for path in PATHS:
            for variant in variants:
                seconds = options.seconds if number else WARM_SECONDS
                measurements = measure(variant, path, options, seconds)
                found.setdefault((variant.name, path), []).append({**measurements, "warm_up": not number})
    return found


def medians(measurements: Measurements) -> dict[tuple[str, str], dict[str, float]]:
    """Return the medians for each variant and path, including the ratio to the bare view in the same round."""
    result = {}
    for (name, path), each in measurements.items():
        timed = [one for one in each if not one["warm_up"]]
        bare = [one for one in measurements["bare", path] if not one["warm_up"]]
        ratios = [one["rate"] / base["rate"] for one, base in zip(timed, bare, strict=True)]
        result[name, path] = {
            "rate": statistics.median(one["rate"] for one in timed),
            "cpu_us": statistics.median(one["cpu_us"] for one in timed),
            "ratio": statistics.median(ratios),
        }
    return result


def show(variants: list[Variant], results: dict[tuple[str, str], dict[str, float]], costs: dict[str, Any]) -> None:
    print(f"\n{'':46} {'trivial view':^26}   {'20 users':^26}")
    print(f"{'':46} {'calls/s':>8} {'÷ bare':>7} {'CPU µs':>8}   {'calls/s':>8} {'÷ bare':>7} {'CPU µs':>8}")
    for variant in variants:
        cells = []
        for path in PATHS:
            one = results[variant.name, path]
            cells.append(f"{one['rate']:8.0f} {one['ratio']:7.2f} {one['cpu_us']:8.0f}")
        print(f"{variant.title:46} {'   '.join(cells)}")
    usual = results.get(("usual", PATHS[0]))
    for variant in variants:
        if usual and variant.key_id:
            print(f"{variant.title} ÷ usual assembly: {results[variant.name, PATHS[0]]['rate'] / usual['rate']:.1f}")
    for name, cost in costs.items():
        words = {"sql": "SQL statements", "redis": "Redis round trips"}
        print(f"one warm call, {name}: " + ", ".join(f"{cost[each]:.2f} {words[each]}" for each in cost))


def make_schemas(database: str, wanted: bool) -> None:
    """Drop the schemas of this benchmark, and create them again if ``wanted``."""
    with psycopg.connect(database, autocommit=True) as connection:
        for schema in SCHEMAS:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            if wanted:
                connection.execute(f"CREATE SCHEMA {schema}")


def perform(setup: ApiCallSetup, options: argparse.Namespace) -> dict[str, Any]:
    """Start the servers, check the portal, measure, and check that each response has a row in the log."""
    portals = setup.portals()
    chosen = options.only.split(",") if options.only else []
    for variant in portals:
        checks.check_variant(setup, variant)
    costs = {variant.name: checks.count_costs(setup, variant) for variant in portals}
    print("checks passed: limits exact, revocation seen at the next call, rows = answers", file=sys.stderr)
    variants = [each for each in (*setup.rivals(), *portals) if not chosen or each.name in ("bare", *chosen)]
    known = {each.name: checks.rows_of(setup, each.key_id) for each in portals}
    measurements = rounds(variants, options)
    for variant in variants:
        if variant.key_id:
            answered = sum(int(one["answered"]) for path in PATHS for one in measurements[variant.name, path])
            checks.check_rows(setup, variant.key_id, known[variant.name] + answered, f"{variant.name}, all rounds")
    results = medians(measurements)
    if not options.json:
        show(variants, results, costs)
    rows = {name: {path: results[name, path] for path in PATHS} for name in (each.name for each in variants)}
    return {"variants": rows, "costs": costs}


def main() -> int:
    """Run the benchmark and return the exit code."""
    options = arguments()
    if options.database:
        make_schemas(options.database, wanted=True)
    try:
        with tempfile.TemporaryDirectory(prefix="api-call-") as folder, process_group(Path(folder)) as started:
            redis = (None, options.redis) if options.redis else started.redis() or (None, "")
            children = [redis[0]] if redis[0] else []
            setup = ApiCallSetup(started, options.database, redis[1], children, options.workers, options.threads)
            result = perform(setup, options)
    except BenchmarkFailed as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    finally:
        if options.database:
            make_schemas(options.database, wanted=False)
    if options.json:
        print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
