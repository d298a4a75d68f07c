"""How long the pages and lists of deliveries take to read where hundreds of thousands are kept.

    .venv/bin/python benchmarks/delivery_pages.py [--deliveries N] [--runs N] [--only WORD] [--database URL]

Fills the tables directly, in a temporary SQLite file or in a schema of a PostgreSQL scratch database that it makes and
drops: endpoints where nearly all went well, where nearly all failed, with a long backlog and with a lot that is held.
Then asks in this process, the whole stack included but the network. Prints the number of queries, medians and 95th
percentiles in ms; exit code 1 where one of the latter is above --most.
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
    """Run the benchmark and leave nothing behind."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, scratch(options.database):
        set_up(folder, options.database)
        rounds = importlib.import_module("benchmarks.delivery_rounds")
        try:
            done = rounds.run(options)
        finally:
            rounds.end()
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
