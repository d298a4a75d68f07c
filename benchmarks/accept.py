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
from benchmarks.processes import Failed, parse_options, scene

WAYS = ("one statement", "bulk_create", "ORM loop")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", default="", metavar="URL")
    parser.add_argument("--events", type=int, default=200, help="of each way in each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--endpoints", type=int, default=10_000, help="of the big fan-out; 0: none")
    parser.add_argument("--json", action="store_true")
    return parse_options(parser, events=20, rounds=1, endpoints=500)


def big_fan_out(stage: Stage, endpoints: int) -> dict[str, float]:
    """Accept events for very many endpoints, and finish their deliveries."""
    stage.step("many_endpoints", count=endpoints)
    found = stage.step("fan_out", events=5)
    if found["deliveries"] != 5 * endpoints or found["distinct"] != 5 * endpoints:
        raise Failed(f"5 events for {endpoints} endpoints made {found}")
    return found


def medians(rounds: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the median of each figure of each way, and of its ratio to bulk_create in the same round."""
    found = {}
    for name, each in rounds.items():
        figures = {key: statistics.median(one[key] for one in each) for key in each[0]}
        pairs = list(zip(each, rounds["bulk_create"], strict=True))
        figures["ratio"] = statistics.median(one["per_second"] / other["per_second"] for one, other in pairs)
        figures["cpu_ratio"] = statistics.median(cpu(other) / cpu(one) for one, other in pairs)
        found[name] = figures
    return found


def cpu(figures: dict[str, float]) -> float:
    """Return the processor time of an event on both sides; it varies less than the clock does."""
    return figures["client_us"] + figures["server_us"]


def show(found: dict[str, Any]) -> None:
    """Print the table."""
    heads = ("events/s", "× bulk_create", "client µs", "server µs", "× less CPU", "statements")
    print(f"  {'':<16}" + "".join(f"{head:>15}" for head in heads))
    for name, each in found["medians"].items():
        figures = (f"{each['per_second']:.0f}", f"{each['ratio']:.2f}", f"{each['client_us']:.0f}",
                   f"{each['server_us']:.0f}", f"{each['cpu_ratio']:.2f}", str(found["statements"][name]))  # fmt: skip
        print(f"  {name:<16}" + "".join(f"{figure:>15}" for figure in figures))
    if big := found.get("big"):
        print(f"\n  {big['endpoints']} endpoints: accepted in {big['accept_ms']:.0f} ms (median of 5), "
              f"all deliveries made after {big['finish_ms']:.0f} ms more")  # fmt: skip


def main() -> None:
    """Measure and print."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, schema(options.database), scene(Path(folder)) as around:
        stage = Stage(around, options.database)
        paths = [[f"/ok{number}", "bench.accept"] for number in range(10)]
        stage.step("endpoints", organizations=1, paths=paths, url="http://127.0.0.1:9999")
        found: dict[str, Any] = stage.step("accept", events=options.events, rounds=options.rounds, ways=list(WAYS))
        found["medians"] = medians(found["rounds"])
        found["ratio"] = found["medians"]["one statement"]["ratio"]
        if options.endpoints:
            found["big"] = big_fan_out(stage, options.endpoints)
    print(json.dumps(found)) if options.json else show(found)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
