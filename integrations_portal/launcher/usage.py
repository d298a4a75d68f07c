"""Help texts and the demo's options, which work before any package is installed."""

import argparse

HIGHEST_PORT = 65533  # the demo uses the two ports after it, too
HELP_OPTIONS = ("-h", "--help")
DEMO_HELP = (
    "Fill a SQLite database in var/ once, and serve the whole portal from it on this machine until Ctrl-C. The first "
    "start makes .venv and installs the locked packages there."
)
TEST_HELP = """usage: manage.py test [ARGUMENT ...]

Run the test suite: all of it, or what pytest makes of the arguments, such as `tests/webhooks -k retry`. The first run
makes .venv and installs the locked packages there; `.venv/bin/python -m pytest --help` then lists the arguments.
"""
BARE_HELP = """usage: manage.py COMMAND [ARGUMENT ...]

On a machine with Python and pip alone:
  demo    serve the whole portal on this machine, with sample data
  test    run the test suite

Both set up what they need in .venv. All other commands are there afterwards: `manage.py help` then lists them.
"""


def help_topic(arguments: list[str]) -> str | None:
    """Return the command whose help is requested: "" for the list of commands, None without a request for help."""
    if not arguments or arguments[0] in ("help", *HELP_OPTIONS):
        return arguments[1] if len(arguments) > 1 else ""
    return arguments[0] if set(HELP_OPTIONS) & set(arguments[1:]) else None


def bare_command_help(command: str | None) -> str:
    """Return the help of `demo` or `test`, an empty string for other commands."""
    return {"demo": demo_parser().format_help(), "test": TEST_HELP}.get(command or "", "")


def demo_parser() -> argparse.ArgumentParser:
    """Return the parser of the demo's command line, which runs before Django's and accepts the same options."""
    parser = argparse.ArgumentParser(prog="manage.py demo", description=DEMO_HELP)
    add_demo_options(parser)
    for name in ("--settings", "--pythonpath"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("-v", "--verbosity", help=argparse.SUPPRESS)
    for name in ("--traceback", "--no-color", "--force-color"):
        parser.add_argument(name, action="store_true", help=argparse.SUPPRESS)
    return parser


def add_demo_options(parser: argparse.ArgumentParser) -> None:
    """Add the demo's own options."""
    parser.add_argument("--port", type=port, default=8000, help="the portal's (8000); its receiver takes the next one")
    parser.add_argument("--reset", action="store_true", help="forget the demo's data and key, and start over")
    parser.add_argument("--json", action="store_true", help="print one JSON line when serving, and nothing else")


def port(text: str) -> int:
    """Parse a port number that has two more after it."""
    if not 1 <= int(text) <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"must be from 1 to {HIGHEST_PORT}")
    return int(text)
