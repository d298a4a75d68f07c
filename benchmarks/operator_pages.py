"""Measure the operators' admin pages with a million rows in each table.

    .venv/bin/python benchmarks/operator_pages.py [--rows N] [--runs N] [--most MS] [--database URL]

Events, deliveries, API requests and audit entries are inserted directly, in a temporary SQLite file or in a schema of a
PostgreSQL scratch database that is created and dropped. The requests run in this process, through the whole stack
except the network. The output is the median and the 95th percentile in ms; the exit code is 1 if one is above --most.
"""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.processes import parse_options
from benchmarks.usage_pages import scratch_schema, set_up


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="in each long table, at most 5,000,000")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--most", type=float, default=150, help="ms at the 95th percentile")
    parser.add_argument("--database", default="", metavar="URL")
    return parse_options(parser, rows=2_000, runs=2, most=5_000.0)


def main() -> None:
    """Run the benchmark and exit with its code."""
    options = arguments()
    if not (1000 <= options.rows <= 5_000_000 and 1 <= options.runs <= 1000):
        raise SystemExit("Keep to 1,000 to 5,000,000 rows and 1,000 runs.")
    with tempfile.TemporaryDirectory() as folder, scratch_schema(options.database):
        set_up(folder, options.database)
        cases = importlib.import_module("benchmarks.operator_cases")
        try:
            done = cases.run(options)
        finally:
            cases.shut_down()
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
