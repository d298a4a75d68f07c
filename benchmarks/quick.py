"""Every benchmark in its short form, one after another: does each still run, and do its checks hold?

    .venv/bin/python benchmarks/quick.py [NAME …]

CI runs this, so that no command that a page names can rot. The figures printed on the way mean nothing. Exit code 1 at
the first that fails.
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
    """Return the program and words of each benchmark: whatever here takes ``--quick``, and each fault of the losses."""
    others = (path for path in FOLDER.glob("*.py") if path.name != Path(__file__).name)
    programs = sorted(path.name for path in others if "parse_options(parser, " in path.read_text())
    single = [[name] for name in programs if name != "losses.py"]
    return single + [["losses.py", fault] for fault in losses.PARTS]


def main() -> int:
    """Run them and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", metavar="NAME", help="programs, such as accept.py; none: all")
    options = parser.parse_args()
    for name, *words in commands():
        if options.only and name not in options.only:
            continue
        print(f"--- benchmarks/{' '.join([name, *words])} --quick", flush=True)
        started = time.monotonic()
        done = subprocess.run([sys.executable, FOLDER / name, *words, "--quick"], cwd=ROOT, timeout=LONGEST_SECONDS)
        if done.returncode:
            return 1
        print(f"--- {time.monotonic() - started:.0f} s\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
