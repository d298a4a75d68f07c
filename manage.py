#!/usr/bin/env python3
"""Django's command-line entry point. `demo` and `test` first install the packages that they need.

This file uses only syntax that old Python versions can parse, so that they can print which versions are supported.
"""

import os
import sys

MIN_PYTHON = (3, 11)
MAX_PYTHON = (3, 14)
INTERRUPTIBLE_COMMANDS = ("demo", "listen", "worker")
EXIT_CODE_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def unsupported_python_message(version):
    """Return a message for an unsupported Python version, an empty string for a supported one."""
    if MIN_PYTHON <= tuple(version[:2]) <= MAX_PYTHON:
        return ""
    this, oldest, newest = (".".join(str(part) for part in each[:2]) for each in (version, MIN_PYTHON, MAX_PYTHON))
    return "manage.py needs Python " + oldest + " to " + newest + ", this is " + this + "."


def load_settings(command):
    """Load the settings; exit with the message of ImproperlyConfigured instead of a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrations_portal.settings")
    if command.lstrip("-") in ("", "h", "help", "version"):
        return
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        settings.INSTALLED_APPS  # noqa: B018  reading any setting loads them all
    except ImproperlyConfigured as problem:
        if command == "worker":
            exit_with_log_line(problem)
        sys.exit(str(problem))


def exit_with_log_line(problem):
    """Log the message and exit with 1: every line that a worker writes is JSON."""
    import logging

    from apps.base.telemetry.logging import configure_logging

    configure_logging("INFO", sys.stderr)
    logging.getLogger("manage").critical(str(problem))
    sys.exit(1)


def main():
    """Run the command in the arguments."""
    message = unsupported_python_message(sys.version_info)
    if message:
        sys.exit(message)
    # Imported after the version check, because old Python versions cannot parse these modules.
    from integrations_portal.demo import environment
    from integrations_portal.environment import env_file
    from integrations_portal.launcher import bootstrap, signals, usage

    arguments = sys.argv[1:]
    command = arguments[0] if arguments else ""
    topic = usage.help_topic(arguments)
    help_text = usage.bare_command_help(topic) or (
        usage.BARE_HELP if topic == "" and not bootstrap.has_packages() else ""
    )
    if help_text:
        sys.exit(print(help_text.rstrip()))
    if command in INTERRUPTIBLE_COMMANDS:
        signals.restore_default_handlers()
    options = usage.demo_parser().parse_args(arguments[1:]) if command == "demo" else None
    bootstrap.ensure_environment(command, arguments)
    if options:
        environment.prepare(options)
    else:
        env_file.load()
        environment.load(topic is not None)
    load_settings(command)
    run(arguments)


def run(arguments):
    """Run the command; exit with one sentence instead of a traceback if the database is unavailable."""
    from django.core.management import execute_from_command_line
    from django.db.utils import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as problem:
        # The worker logs uncaught exceptions as one JSON line.
        if "worker" in arguments[:1] or "--traceback" in arguments:
            raise
        message = (str(problem).splitlines() or ["it does not answer"])[0].rstrip(".")
        advice = " Check DATABASE_URL."
        if message.startswith("no such"):
            advice = " Run `manage.py migrate` first."
        elif "unable to open" in message or "readonly database" in message:
            advice = " The file and its folder must belong to the portal's user."
        sys.exit("The database cannot be used: " + message + "." + advice)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(EXIT_CODE_INTERRUPTED)
