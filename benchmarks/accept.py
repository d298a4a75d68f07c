"""Accepting an event with its deliveries: our statement beside the ORM's ``bulk_create`` and an ORM loop, in one run.

    .venv/bin/python benchmarks/accept.py [--database URL] [--events N] [--rounds N] [--json]

Each way stores one event and a delivery for each of 10 endpoints in one durable transaction; then our way with 10,000
endpoints, and how long workers take for the rest. Before a figure is printed the rows are counted.

--database: a PostgreSQL scratch database, in which a schema is made and dropped; else SQLite.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.deliveries import Stage, schema
from benchmarks.processes import Failed, scene

WAYS = ("one statement", "bulk_create", "ORM loop")


def arguments() -> argparse.Namespace:
    """This will read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", default="", metavar="URL")
    parser.add_argument("--events", type=int, default=200, help="of each way in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--endpoints", type=int, default=10_000, help="of the big fan-out; 0: none")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def big_fan_out(stage: Stage, endpoints: int) -> dict[str, float]:
    """This will accept events for very many endpoints, and finish their deliveries."""
    stage.step("many_endpoints", count=endpoints)
    found = stage.step("fan_out", events=5)
    if found["deliveries"] != 5 * endpoints or found["distinct"] != 5 * endpoints:
        raise Failed(f"5 events for {endpoints} endpoints made {found}")
    return found


def show(found: dict[str, Any]) -> None:
    """This will print the table."""
    base = found["medians"]["bulk_create"]
    for name, per_second in found["medians"].items():
        print(f"  {name:<16}{per_second:>9.0f} events/s{per_second / base:>8.2f} × bulk_create")
    if big := found.get("big"):
        print(f"\n  {big['endpoints']} endpoints: accepted in {big['accept_ms']:.0f} ms (median of 5), "
              f"all deliveries made after {big['finish_ms']:.0f} ms more")  # fmt: skip


def main() -> None:
    """This will measure and print."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, schema(options.database), scene(Path(folder)) as around:
        stage = Stage(around, options.database)
        paths = [[f"/ok{number}", "bench.accept"] for number in range(10)]
        stage.step("endpoints", organizations=1, paths=paths, url="http://127.0.0.1:9999")
        rounds = stage.step("accept", events=options.events, rounds=options.rounds, ways=list(WAYS))["per_second"]
        found: dict[str, Any] = {"rounds": rounds}
        found["medians"] = {name: statistics.median(each) for name, each in rounds.items()}
        found["ratio"] = found["medians"]["one statement"] / found["medians"]["bulk_create"]
        if options.endpoints:
            found["big"] = big_fan_out(stage, options.endpoints)
    print(json.dumps(found)) if options.json else show(found)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
