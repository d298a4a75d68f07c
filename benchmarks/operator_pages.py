"""How long the operators' pages take where tables have a million rows each.

    .venv/bin/python benchmarks/operator_pages.py [--rows N] [--runs N] [--most MS] [--database URL]

Fills deliveries with their events, API calls and audit entries directly, in a temporary SQLite file or in a schema of a
PostgreSQL scratch database that it makes and drops, and asks in this process, the whole stack included but the network.
Prints medians and 95th percentiles in ms; exit code 1 where one of the latter is above --most.
"""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.processes import parse_options
from benchmarks.usage_pages import scratch, set_up


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="in each long table, at most 5,000,000")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--most", type=float, default=150, help="ms at the 95th percentile")
    parser.add_argument("--database", default="", metavar="URL")
    return parse_options(parser, rows=2_000, runs=2, most=5_000.0)


def main() -> None:
    """Run the benchmark and leave nothing behind."""
    options = arguments()
    if not (1000 <= options.rows <= 5_000_000 and 1 <= options.runs <= 1000):
        raise SystemExit("Keep to 1,000 to 5,000,000 rows and 1,000 runs.")
    with tempfile.TemporaryDirectory() as folder, scratch(options.database):
        set_up(folder, options.database)
        rounds = importlib.import_module("benchmarks.operator_rounds")
        try:
            done = rounds.run(options)
        finally:
            rounds.end()
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
