"""One API call of the portal (authenticated, authorised, limited, logged) beside the usual packages, in one run.

    .venv/bin/python benchmarks/api_call.py [--seconds N] [--rounds N] [--json] [--database URL] [--redis URL]

Starts everything itself on free ports of 127.0.0.1, in a temporary folder, and stops it again. First the gates: a
figure of a portal that lets one call too many pass, or loses a row, would mean nothing. Then rounds, each variant in
each of them, so that a disturbance meets all; the table shows medians and their ratio to the bare view.

--database: a PostgreSQL scratch database (two schemas are made in it and dropped); else SQLite. --redis: a scratch
Redis; else one of this run's own where redis-server is installed. Other packages: requirements/bench.txt.
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

from benchmarks import gates, load
from benchmarks.processes import Failed, parse_options, scene
from benchmarks.stage import Stage, Variant

PATHS = ("/v1/trivial", "/v1/users")
SCHEMAS = ("benchmark_portal", "benchmark_rivals")
WARM_SECONDS = 1.0
FIGURES = dict[tuple[str, str], list[dict[str, float]]]


def arguments() -> argparse.Namespace:
    """Read the command line."""
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
    """Load one variant and return what it managed; an answer that is not 200 ends the run."""
    before = variant.cpu_seconds()
    outcome = load.run(variant.server.port, path, variant.headers, options.connections, seconds)
    gates.check(set(outcome.statuses) == {"200"} and not outcome.broken, f"{variant.name} {path}: {outcome}")
    used = variant.cpu_seconds() - before
    return {
        "answered": outcome.answered,
        "rate": outcome.answered / outcome.seconds,
        "cpu_us": used / outcome.answered * 1e6,
    }


def rounds(variants: list[Variant], options: argparse.Namespace) -> FIGURES:
    """Measure every variant on every path in turn, as often as was asked, after one warm-up."""
    found: FIGURES = {}
    for number in range(options.rounds + 1):
        for path in PATHS:
            for variant in variants:
                seconds = options.seconds if number else WARM_SECONDS
                figures = measure(variant, path, options, seconds)
                found.setdefault((variant.name, path), []).append({**figures, "warm_up": not number})
    return found


def medians(figures: FIGURES) -> dict[tuple[str, str], dict[str, float]]:
    """Return the medians of each variant and path, with the rate's ratio to the bare view's, by round."""
    result = {}
    for (name, path), each in figures.items():
        timed = [one for one in each if not one["warm_up"]]
        bare = [one for one in figures["bare", path] if not one["warm_up"]]
        ratios = [one["rate"] / base["rate"] for one, base in zip(timed, bare, strict=True)]
        result[name, path] = {
            "rate": statistics.median(one["rate"] for one in timed),
            "cpu_us": statistics.median(one["cpu_us"] for one in timed),
            "ratio": statistics.median(ratios),
        }
    return result


def show(variants: list[Variant], results: dict[tuple[str, str], dict[str, float]], costs: dict[str, Any]) -> None:
    """Print the table."""
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
    """Drop the run's schemas, and make them where they are wanted."""
    with psycopg.connect(database, autocommit=True) as connection:
        for schema in SCHEMAS:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            if wanted:
                connection.execute(f"CREATE SCHEMA {schema}")


def perform(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Start everything, check the gates, measure, and check that each answer left its row."""
    portals = stage.portals()
    chosen = options.only.split(",") if options.only else []
    for variant in portals:
        gates.check_variant(stage, variant)
    costs = {variant.name: gates.count_costs(stage, variant) for variant in portals}
    print("gates passed: limits exact, revocation seen at the next call, rows = answers", file=sys.stderr)
    variants = [each for each in (*stage.rivals(), *portals) if not chosen or each.name in ("bare", *chosen)]
    known = {each.name: gates.rows_of(stage, each.key_id) for each in portals}
    figures = rounds(variants, options)
    for variant in variants:
        if variant.key_id:
            answered = sum(int(one["answered"]) for path in PATHS for one in figures[variant.name, path])
            gates.check_rows(stage, variant.key_id, known[variant.name] + answered, f"{variant.name}, all rounds")
    results = medians(figures)
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
        with tempfile.TemporaryDirectory(prefix="api-call-") as folder, scene(Path(folder)) as started:
            redis = (None, options.redis) if options.redis else started.redis() or (None, "")
            children = [redis[0]] if redis[0] else []
            stage = Stage(started, options.database, redis[1], children, options.workers, options.threads)
            result = perform(stage, options)
    except Failed as failure:
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
