#!/usr/bin/env python3
"""Django's entry. `demo` and `test` also start on a bare machine: they first set up what they need.

This file keeps to the syntax of old Pythons, so that they get as far as the sentence that refuses them.
"""

import os
import sys

OLDEST = (3, 11)
NEWEST = (3, 14)
UNTIL_CTRL_C = ("demo", "listen", "worker")
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


def version_complaint(version):
    """Say which Pythons will do, or nothing where this one does."""
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return ""
    this, oldest, newest = (".".join(str(part) for part in each[:2]) for each in (version, OLDEST, NEWEST))
    return "manage.py needs Python " + oldest + " to " + newest + ", this is " + this + "."


def load_settings(command):
    """Load the settings; where they are refused, end with their sentence instead of a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrations_portal.settings")
    if command.lstrip("-") in ("", "h", "help", "version"):
        return
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        settings.INSTALLED_APPS  # noqa: B018  reading any setting loads them all
    except ImproperlyConfigured as problem:
        if command == "worker":
            tell_in_the_log(problem)
        sys.exit(str(problem))


def tell_in_the_log(problem):
    """End the worker with the sentence as a line of its log, which is JSON throughout."""
    import logging

    from apps.base.telemetry.logging import configure_logging

    configure_logging("INFO", sys.stderr)
    logging.getLogger("manage").critical(str(problem))
    sys.exit(1)


def main():
    """Run the command in the arguments."""
    complaint = version_complaint(sys.version_info)
    if complaint:
        sys.exit(complaint)
    # Imported only now: an old Python could not even read these.
    from integrations_portal.demo import environment
    from integrations_portal.environment import env_file
    from integrations_portal.launcher import bootstrap, signals, usage

    words = sys.argv[1:]
    command = words[0] if words else ""
    about = usage.help_topic(words)
    text = usage.bare_command_help(about) or (usage.BARE if about == "" and not bootstrap.has_packages() else "")
    if text:
        sys.exit(print(text.rstrip()))
    if command in UNTIL_CTRL_C:
        signals.restore_default_handlers()
    options = usage.demo_parser().parse_args(words[1:]) if command == "demo" else None
    bootstrap.enter(command, words)
    if options:
        environment.prepare(options)
    else:
        env_file.load()
        environment.load(about is not None)
    load_settings(command)
    run(words)


def run(words):
    """Run the command; where the database is away or refuses, end with what it says instead of a traceback."""
    from django.core.management import execute_from_command_line
    from django.db.utils import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as problem:
        # The worker logs it as one line, however long.
        if "worker" in words[:1] or "--traceback" in words:
            raise
        said = (str(problem).splitlines() or ["it does not answer"])[0].rstrip(".")
        advice = " Check DATABASE_URL."
        if said.startswith("no such"):
            advice = " Run `manage.py migrate` first."
        elif "unable to open" in said or "readonly database" in said:
            advice = " The file and its folder must belong to the portal's user."
        sys.exit("The database cannot be used: " + said + "." + advice)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
