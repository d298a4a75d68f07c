"""Run all benchmarks in their short form, one after another, to see that they work and that their checks pass.

    .venv/bin/python benchmarks/quick.py [NAME …]

CI runs this, so that the commands in the documentation keep working. The printed results mean nothing. The exit code is
1 as soon as one benchmark fails.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import losses
from benchmarks.processes import ROOT

FOLDER = Path(__file__).parent
LONGEST_SECONDS = 180.0


def commands() -> list[list[str]]:
    """Return the command of each benchmark: of all programs with ``--quick``, and of each part of losses.py."""
    others = (path for path in FOLDER.glob("*.py") if path.name != Path(__file__).name)
    programs = sorted(path.name for path in others if "parse_options(parser, " in path.read_text())
    single = [[name] for name in programs if name != "losses.py"]
    return single + [["losses.py", fault] for fault in losses.PARTS]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", metavar="NAME", help="programs, such as accept.py; none: all")
    options = parser.parse_args()
    for name, *command in commands():
        if options.only and name not in options.only:
            continue
        print(f"--- benchmarks/{' '.join([name, *command])} --quick", flush=True)
        started = time.monotonic()
        done = subprocess.run([sys.executable, FOLDER / name, *command, "--quick"], cwd=ROOT, timeout=LONGEST_SECONDS)
        if done.returncode:
            return 1
        print(f"--- {time.monotonic() - started:.0f} s\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
