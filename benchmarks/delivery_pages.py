"""Measure the pages and API lists of deliveries with hundreds of thousands of rows.

    .venv/bin/python benchmarks/delivery_pages.py [--deliveries N] [--runs N] [--only WORD] [--database URL]

The rows are inserted directly, in a temporary SQLite file or in a schema of a PostgreSQL scratch database that is
created and dropped. There are endpoints whose deliveries nearly all succeeded, failed, are pending or are held. The
requests run in this process, through the whole stack except the network. The output is the number of queries, the
median and the 95th percentile in ms; the exit code is 1 if a 95th percentile is above --most.
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
    parser.add_argument("--deliveries", type=int, default=500_000, help="at least 10,000")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--most", type=float, default=150, help="ms at the 95th percentile")
    parser.add_argument("--only", default="", metavar="WORD", help="cases with this in their name")
    parser.add_argument("--database", default="", metavar="URL")
    options = parse_options(parser, deliveries=10_000, runs=2, most=5_000.0)
    if not 10_000 <= options.deliveries <= 5_000_000:
        raise SystemExit("Keep to 10,000 to 5,000,000 deliveries.")
    return options


def main() -> None:
    """Run the benchmark and exit with its code."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, scratch_schema(options.database):
        set_up(folder, options.database)
        cases = importlib.import_module("benchmarks.delivery_cases")
        try:
            done = cases.run(options)
        finally:
            cases.shut_down()
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
