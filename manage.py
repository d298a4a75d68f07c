#!/usr/bin/env python3
"""Django's entry. `demo` and `test` also start on a bare machine: they first set up what they need.

This file keeps to the syntax of old Pythons, so that they get as far as the sentence that refuses them.
"""

import os
import sys

OLDEST = (3, 11)
NEWEST = (3, 14)


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

    from apps.base.logging import configure_logging

    configure_logging("INFO", sys.stderr)
    logging.getLogger("manage").critical(str(problem))
    sys.exit(1)


def main():
    """Run the command in the arguments."""
    complaint = version_complaint(sys.version_info)
    if complaint:
        sys.exit(complaint)
    # Imported only now: an old Python could not even read these.
    from integrations_portal import bootstrap, demo_environment, env_file

    command = sys.argv[1] if len(sys.argv) > 1 else ""
    bootstrap.enter(command, sys.argv[1:])
    if command == "demo":
        demo_environment.prepare(sys.argv[2:])
    else:
        env_file.load()
        demo_environment.load()
    load_settings(command)

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
