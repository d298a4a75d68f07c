"""The options of the filters of the audit page, and the pages that ids link to.

Higher apps, which know members, keys and endpoints, register both in ``AppConfig.ready``. Dotted names are imported at
first use.
"""

from collections.abc import Callable

from django.utils.functional import Promise
from django.utils.module_loading import import_string

from apps.audit.timeline.sources import EntityRef
from apps.base.actor import Actor

# A longer list would not be usable; further objects are reached by the links in their rows.
MAX_OPTIONS = 200

OptionSource = Callable[[Actor, int], list[EntityRef]]
_option_sources: dict[str, tuple[Promise, OptionSource | str]] = {}
_pages: dict[str, str] = {}


def register_filter_options(kind: str, heading: Promise, source: OptionSource | str) -> None:
    """Register the options of one kind: a function ``(actor, limit)`` that returns them, or its dotted name."""
    _option_sources[kind] = (heading, source)


def register_page(prefix: str, path: str) -> None:
    """Register the page of a kind of ids: a path below the organization's pages, with ``%s`` for the id."""
    _pages[prefix] = path


def filter_options(actor: Actor, *kinds: str) -> list[tuple[str, list[EntityRef]]]:
    """Return the options of some kinds, each under its heading, with one query per kind."""
    found = []
    for kind in kinds:
        if kind in _option_sources:
            heading, registered = _option_sources[kind]
            source: OptionSource = import_string(registered) if isinstance(registered, str) else registered
            found.append((str(heading), source(actor, MAX_OPTIONS)))
    return found


def link_to_page(public_id: str) -> str:
    """Return the path of an id's page below the organization's pages, or an empty string."""
    prefix, separator, _rest = public_id.partition("_")
    return _pages[prefix] % public_id if separator and prefix in _pages else ""
