"""Detect misspelled environment variables, which would silently leave a setting at its default."""

import difflib
from collections.abc import Iterable, Mapping

from django.core.exceptions import ImproperlyConfigured

# Read by other programs of the project (docs/configure.md), or by Django itself.
OTHER_VARIABLES = frozenset({
    "PORTAL_VENV", "TEST_DATABASE_URL", "TEST_REDIS_URL", "SCHEMATHESIS_CASES", "PORTAL_DEV_TOOLS", "PORTAL_FAULTS",
    "PORTAL_CRASH_AT", "PORTAL_LEASE_MARGIN", "POSTGRES_PASSWORD", "DJANGO_SETTINGS_MODULE",
})  # fmt: skip
# Variables with these prefixes must be settings. Others are compared with settings that are not set.
OWN_PREFIXES = ("RETENTION_DAYS_", "WEBHOOK_ALLOW_", "WEBHOOK_RETRY_", "AUTH_FAILURES_", "RATE_LIMIT_DEFAULT")
# Prefixes by which other projects would name the same settings.
FOREIGN_PREFIXES = ("PORTAL_", "DJANGO_")
MIN_SIMILARITY = 0.85
MIN_LONG_NAME = 12


def check(known: Iterable[str], environment: Mapping[str, str]) -> None:
    """Raise ImproperlyConfigured for a variable whose name is a misspelled setting."""
    names = set(known)
    accepted = names | {f"{name}_FILE" for name in names} | OTHER_VARIABLES
    for given in sorted(set(environment) - accepted):
        meant = _intended_name(given, names, environment) if environment[given] else ""
        if meant:
            raise ImproperlyConfigured(f"{given} is not a setting. Did you mean {meant}?")


def closest_set_variable(name: str, environment: Mapping[str, str]) -> str:
    """Return the variable in the environment with the name most similar to a missing one, or an empty string."""
    found = difflib.get_close_matches(name, set(environment) - OTHER_VARIABLES, n=1, cutoff=MIN_SIMILARITY)
    return found[0] if found else ""


def _intended_name(given: str, names: set[str], environment: Mapping[str, str]) -> str:
    """Return the setting that a variable misspells, or an empty string for another program's variable."""
    end = "_FILE" if given.endswith("_FILE") else ""
    word = given.upper().removesuffix("_FILE").replace("-", "_")
    for prefix in FOREIGN_PREFIXES:
        word = word.removeprefix(prefix)
    if word.startswith(OWN_PREFIXES):
        return difflib.get_close_matches(word, sorted(names), n=1, cutoff=0)[0] + end
    unset = [name for name in sorted(names) if name not in environment and f"{name}_FILE" not in environment]
    longer = [name for name in unset if len(name) >= MIN_LONG_NAME and word.startswith(f"{name}_")]
    close = difflib.get_close_matches(word, unset, n=1, cutoff=MIN_SIMILARITY) or longer
    return close[0] + end if close else ""
