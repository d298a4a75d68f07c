"""The searches of the operators' lists and of their start page: each lookup is answered by an index.

``search_fields`` has lookups in Django's form (``name__icontains`` for small tables only; ``slug__startswith``, whose
field is unique and so has an index for it; a bare name for the whole value) and names of ``LOOKUPS``.
"""

import ipaddress
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.contrib.admin import site
from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.utils.functional import lazy
from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext as _

from apps.audit.operator_admin.newest_rows import without_long_fields
from apps.audit.operator_admin.panels import Panel, change_url, changelist_url, table
from apps.base.crypto.secrets import MASK_DOTS
from apps.base.identifiers import decode
from apps.base.models import Row
from apps.base.text.email_validation import normalize_email
from apps.base.web.client_address import rate_limit_address
from apps.orgs.lookups import find_organization

MAX_LENGTH = 254
NEWEST_DAYS = 2
STARTS_WITH, CONTAINS = "__startswith", "__icontains"
# Fields with email addresses.
EMAIL_LOOKUPS = ("email", "to")
LETTERS = re.compile(r"[0-9A-Za-z]*", re.ASCII)


def search(rows: QuerySet[Row], lookups: tuple[str, ...], text: str, newest_by: str = "") -> QuerySet[Row]:
    """Return the matches of the first lookup that has any; all rows for an empty text.

    ``newest_by``: a date field; only matches of the two days before its newest match are returned.
    """
    term = text.strip()
    if not term:
        return rows
    if "\0" in term or len(term) > MAX_LENGTH:
        return rows.none()
    for lookup in lookups:
        for condition in conditions(rows.model, lookup, term):
            if rows.filter(condition).order_by().exists():
                return rows.filter(recent(rows.model, condition, newest_by) if newest_by else condition)
    return rows.none()


def conditions(model: type[Model], lookup: str, term: str) -> Iterator[Q]:
    """Yield the conditions of a lookup, none if the text has another format."""
    field = lookup.removesuffix(STARTS_WITH)
    if lookup in LOOKUPS:
        yield from LOOKUPS[lookup](model, term)
    elif field.endswith(EMAIL_LOOKUPS) and term != normalize_email(term):
        # In canonical form, then as typed: older accounts can have another spelling.
        yield from conditions(model, lookup, normalize_email(term))
        yield Q(**{field: term})
    elif lookup.endswith(STARTS_WITH):
        yield begins_with(field, term)
    else:
        yield Q(**{lookup: term})


def recent(model: Any, condition: Q, field: str) -> Q:
    """Limit a condition to the two days before its newest match."""
    last = model._base_manager.filter(condition).order_by(f"-{field}").values_list(field, flat=True).first()
    return condition if last is None else condition & Q(**{f"{field}__gte": last - timedelta(days=NEWEST_DAYS)})


def begins_with(field: str, term: str) -> Q:
    """Match a prefix by an index; SQLite cannot use one for LIKE, which ignores case."""
    if connection.vendor == "sqlite":
        return Q(**{f"{field}__gte": term, f"{field}__lt": term + "\U0010ffff"})
    return Q(**{f"{field}__startswith": term})


def _own_id(model: Any, term: str) -> Iterator[Q]:
    """Match the row's public id, UUID or number."""
    kind = model._meta.pk.get_internal_type()
    key = decode(getattr(model, "id_prefix", ""), term) or _uuid(term)
    if kind in ("UUIDField", "OneToOneField") and key is not None:
        yield Q(pk=key)
    elif kind == "BigAutoField" and term.isascii() and term.isdigit() and len(term) < 19:
        yield Q(pk=int(term))


def _organization(model: Any, term: str) -> Iterator[Q]:
    """Match an organization by slug or ``org_…``."""
    key = find_organization(term)
    if key is not None:
        yield Q(organization_id=key)


def _credential(model: Any, term: str) -> Iterator[Q]:
    """Match a key by ``key_…``, ``sdk_…`` or UUID, in tables that store its UUID."""
    key = decode("key", term) or decode("sdk", term) or _uuid(term)
    if key is not None:
        yield Q(credential_id=key)


def _related(field: str, prefix: str) -> Callable[[Any, str], Iterator[Q]]:
    def read(model: Any, term: str) -> Iterator[Q]:
        key = decode(prefix, term)
        if key is not None:
            yield Q(**{f"{field}_id": key})

    return read


def _member(model: Any, term: str) -> Iterator[Q]:
    """Match the ``user_…`` of a member in an organization, if it differs from the account's."""
    key = decode("user", term)
    if key is not None:
        path = "earlier_id" if model._meta.model_name == "membership" else "memberships__earlier_id"
        yield Q(**{path: key})


def _key_mask(model: Any, term: str) -> Iterator[Q]:
    """Match the public part of a key, the start of one, or its mask; a search never needs the whole key."""
    bare = term.removeprefix(model.key_prefix)
    head, dots, last = bare.partition(MASK_DOTS)
    if not LETTERS.fullmatch(head):
        return
    if len(head) >= 12:
        yield Q(key_id=head[:12])
    elif len(head) >= 4:
        last_four = Q(last_four=last) if dots and last else Q()
        yield begins_with("key_id", head[:4]) & last_four


def _network(model: Any, term: str) -> Iterator[Q]:
    """Match an IP address, in the table that stores addresses as networks."""
    try:
        ipaddress.ip_address(term)
    except ValueError:
        return
    yield Q(address=rate_limit_address(term))


def _uuid(term: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(term)
    except ValueError:
        return None


LOOKUPS: dict[str, Callable[[Any, str], Iterator[Q]]] = {
    "id": _own_id,
    "organization": _organization,
    "credential": _credential,
    "endpoint": _related("endpoint", "ep"),
    "event": _related("event", "evt"),
    "delivery": _related("delivery", "dlv"),
    "user": _related("user", "user"),
    "member": _member,
    "mask": _key_mask,
    "network": _network,
}


def help_text(model: type[Model], lookups: tuple[str, ...], newest_by: str) -> Any:
    """Return the help text of the search box, translated when it is rendered."""
    return lazy(_help_text, str)(model, lookups, newest_by)


def _help_text(model: Any, lookups: tuple[str, ...], newest_by: str) -> str:
    parts = []
    for lookup in lookups:
        text = _label(model, lookup)
        if lookup.endswith(STARTS_WITH):
            text = _("the beginning of %(what)s") % {"what": text}
        elif lookup.endswith(CONTAINS):
            text = _("a part of %(what)s") % {"what": text}
        elif newest_by:
            text = _("%(what)s (its newest two days)") % {"what": text}
        parts.append(text)
    return capfirst(get_text_list(list(dict.fromkeys(parts)), _("or"))) + "."


def _label(model: Any, lookup: str) -> str:
    fixed = {
        "id": _("the id"),
        "organization": _("an organization's slug or id"),
        "credential": _("a key's id"),
        "endpoint": _("an endpoint's id"),
        "event": _("an event's id"),
        "delivery": _("a delivery's id"),
        "user": _("a person's id"),
        "member": _("a person's id"),
        "mask": _("the first letters of a key"),
        "network": _("an IP address"),
        "to": _("an e-mail address"),
    }
    if lookup in fixed:
        return fixed[lookup]
    if lookup.endswith("__email"):
        return _("an e-mail address")
    field = None
    for part in lookup.removesuffix(STARTS_WITH).removesuffix(CONTAINS).split("__"):
        field = (field.related_model if field else model)._meta.get_field(part)
    return _("the %(field)s") % {"field": field.verbose_name if field else lookup}


# The search on the start page finds rows of every admin page that sets ``global_search_fields``.
MAX_ROWS_PER_KIND = 10


class SearchResults(NamedTuple):
    """A table for each kind of row found and, if there is exactly one row, the URL of its page."""

    panels: Sequence[Panel]
    only: str = ""


def find(text: str) -> SearchResults:
    """Return the rows that match an id, the first characters of a key, a slug or an address."""
    kinds = [(page, rows) for page, rows in _searched(text) if rows]
    panels = [_panel(page, rows, text) for page, rows in kinds]
    if sum(len(rows) for _page, rows in kinds) == 1:
        return SearchResults(panels, change_url(kinds[0][1][0]))
    return SearchResults(panels)


def _searched(text: str) -> Iterable[tuple[Any, list[Model]]]:
    for model, page in site._registry.items():
        lookups = getattr(page, "global_search_fields", ())
        if lookups:
            found = search(model._default_manager.order_by("-pk"), lookups, text)
            joined: Any = page.list_select_related or ()
            shown = without_long_fields(found.select_related(*joined), columns_of(page), joined)
            yield page, list(shown[: MAX_ROWS_PER_KIND + 1])


def columns_of(page: Any) -> Sequence[str]:
    """Return the columns of a page's rows outside of its own list."""
    columns: Sequence[str] = page.global_search_columns or page.list_display
    return columns


def _panel(page: Any, rows: list[Model], text: str) -> Panel:
    # ``search_fields`` includes every lookup of ``global_search_fields``.
    more = changelist_url(page.model, text) if len(rows) > MAX_ROWS_PER_KIND else ""
    return table(capfirst(page.opts.verbose_name_plural), rows[:MAX_ROWS_PER_KIND], columns_of(page), more_url=more)
