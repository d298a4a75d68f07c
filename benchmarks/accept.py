"""Compare three ways to store an event with its deliveries: our statement, ``bulk_create`` and an ORM loop.

    .venv/bin/python benchmarks/accept.py [--database URL] [--events N] [--rounds N] [--json]

Each way stores one event and a delivery for each of 10 endpoints in one durable transaction. Then our way is measured
with 10,000 endpoints, including the time that workers need for the remaining deliveries. The rows are counted before
results are printed.

--database: a PostgreSQL scratch database, in which a schema is created and dropped; the default is SQLite.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.deliveries import DeliverySetup, schema
from benchmarks.processes import BenchmarkFailed, parse_options, process_group

WAYS = ("one statement", "bulk_create", "ORM loop")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", default="", metavar="URL")
    parser.add_argument("--events", type=int, default=200, help="of each way in each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--endpoints", type=int, default=10_000, help="of the big fan-out; 0: none")
    parser.add_argument("--json", action="store_true")
    return parse_options(parser, events=20, rounds=1, endpoints=500)


def big_fan_out(setup: DeliverySetup, endpoints: int) -> dict[str, float]:
    """Publish events that match very many endpoints, and create their remaining deliveries."""
    setup.step("many_endpoints", count=endpoints)
    found = setup.step("fan_out", events=5)
    if found["deliveries"] != 5 * endpoints or found["distinct"] != 5 * endpoints:
        raise BenchmarkFailed(f"5 events for {endpoints} endpoints made {found}")
    return found


def medians(rounds: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the medians for each way, and those of the ratios to ``bulk_create`` in the same round."""
    found = {}
    for name, each in rounds.items():
        measurements = {key: statistics.median(one[key] for one in each) for key in each[0]}
        pairs = list(zip(each, rounds["bulk_create"], strict=True))
        measurements["ratio"] = statistics.median(one["per_second"] / other["per_second"] for one, other in pairs)
        measurements["cpu_ratio"] = statistics.median(cpu(other) / cpu(one) for one, other in pairs)
        found[name] = measurements
    return found


def cpu(measurements: dict[str, float]) -> float:
    """Return the CPU time per event of client and server, which varies less than elapsed time."""
    return measurements["client_us"] + measurements["server_us"]


def show(found: dict[str, Any]) -> None:
    heads = ("events/s", "× bulk_create", "client µs", "server µs", "× less CPU", "statements")
    print(f"  {'':<16}" + "".join(f"{head:>15}" for head in heads))
    for name, each in found["medians"].items():
        measurements = (f"{each['per_second']:.0f}", f"{each['ratio']:.2f}", f"{each['client_us']:.0f}",
                   f"{each['server_us']:.0f}", f"{each['cpu_ratio']:.2f}", str(found["statements"][name]))  # fmt: skip
        print(f"  {name:<16}" + "".join(f"{value:>15}" for value in measurements))
    if big := found.get("big"):
        print(f"\n  {big['endpoints']} endpoints: accepted in {big['accept_ms']:.0f} ms (median of 5), "
              f"all deliveries made after {big['finish_ms']:.0f} ms more")  # fmt: skip


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, schema(options.database), process_group(Path(folder)) as group:
        setup = DeliverySetup(group, options.database)
        paths = [[f"/ok{number}", "bench.accept"] for number in range(10)]
        setup.step("endpoints", organizations=1, paths=paths, url="http://127.0.0.1:9999")
        found: dict[str, Any] = setup.step("accept", events=options.events, rounds=options.rounds, ways=list(WAYS))
        found["medians"] = medians(found["rounds"])
        found["ratio"] = found["medians"]["one statement"]["ratio"]
        if options.endpoints:
            found["big"] = big_fan_out(setup, options.endpoints)
    print(json.dumps(found)) if options.json else show(found)


if __name__ == "__main__":
    try:
        main()
    except BenchmarkFailed as failure:
        sys.exit(str(failure))
