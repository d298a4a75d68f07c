"""Whom and what the filters of the audit page offer by name, and which pages their ids lead to.

Registries that the apps above fill in ``AppConfig.ready``: they know people, keys and endpoints, and this app does not.
Names are resolved at the first use.
"""

from collections.abc import Callable

from django.utils.functional import Promise
from django.utils.module_loading import import_string

from apps.audit.timeline.sources import Party
from apps.base.actor import Actor

# More than these have no place in a list to choose from: their rows' own links lead to them.
MAX_OPTIONS = 200

OptionSource = Callable[[Actor, int], list[Party]]
_option_sources: dict[str, tuple[Promise, OptionSource | str]] = {}
_pages: dict[str, str] = {}


def register_filter_options(kind: str, heading: Promise, source: OptionSource | str) -> None:
    """Offer things of one kind: a function ``(actor, most)`` that returns them, or its dotted name."""
    _option_sources[kind] = (heading, source)


def register_page(prefix: str, path: str) -> None:
    """Say which page an id leads to: a path below the organization's pages, with ``%s`` for the id."""
    _pages[prefix] = path


def filter_options(actor: Actor, *kinds: str) -> list[tuple[str, list[Party]]]:
    """Return what is offered of some kinds, each under its heading: one query a kind."""
    found = []
    for kind in kinds:
        if kind in _option_sources:
            heading, given = _option_sources[kind]
            source: OptionSource = import_string(given) if isinstance(given, str) else given
            found.append((str(heading), source(actor, MAX_OPTIONS)))
    return found


def link_to_page(public_id: str) -> str:
    """Return the path of the page about an id, below the organization's pages; empty where there is none."""
    prefix, separator, _rest = public_id.partition("_")
    return _pages[prefix] % public_id if separator and prefix in _pages else ""
