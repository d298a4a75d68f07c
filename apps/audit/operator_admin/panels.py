"""What a row's page shows above its fields: sentences, and short tables of related rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.admin import site
from django.contrib.admin.utils import display_for_field, display_for_value, label_for_field, lookup_field
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import FieldDoesNotExist
from django.db.models import ForeignKey, Model
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.text import capfirst

from apps.base.identifiers import decode

EMPTY = "–"
MAX_ORGANIZATION_ROWS = 5
# The tone of a state in a table, by its stored value; other values have none. States of keys have ``operator_tone``.
TONES = {
    **dict.fromkeys(("succeeded", "active", "enabled", "healthy", "sent"), "ok"),
    **dict.fromkeys(("pending", "sending", "held", "paused", "waiting"), "warn"),
    **dict.fromkeys(("exhausted", "dropped", "disabled", "failing", "revoked", "expired", "failed"), "bad"),
    **dict.fromkeys(("suspended", "closed", "denied", "failure"), "bad"),
}


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """One sentence; ``tone`` is ok, warn, bad or info; with ``url`` a link follows."""

    tone: str
    text: str | Promise
    url: str = ""
    link: str | Promise = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a table, as a link if it has a page."""

    text: Any
    url: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A short table; ``more_url`` links to the full list, ``empty`` and ``links`` are shown without rows."""

    title: str | Promise
    headers: Sequence[Any] = ()
    rows: Sequence[Sequence[Cell]] = ()
    empty: str | Promise = ""
    more_url: str = ""
    links: Sequence[Cell] = ()


def change_url(row: Model) -> str:
    """Return the URL of a row's page."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def changelist_url(model: type[Model], term: str = "") -> str:
    """Return the URL of a list, with a search for ``term``."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{url}?{urlencode({SEARCH_VAR: term})}" if term else url


def change_url_by_id(public_id: str) -> str:
    """Return the URL of the page of a public id, or an empty string if no page shows such rows.

    The row is not looked up. Ids of the audit log belong to two tables and have no page; a ``user_…`` that is a
    member's id in an organization belongs to no account, so for users it is a search.
    """
    prefix = public_id.partition("_")[0]
    if prefix == "user":
        found = next(page for model, page in site._registry.items() if getattr(model, "id_prefix", "") == prefix)
        return changelist_url(found.model, public_id)
    key = decode(prefix, public_id)
    models = [model for model in site._registry if getattr(model, "id_prefix", "") == prefix]
    if key is None or len(models) != 1:
        return ""
    return reverse(f"admin:{models[0]._meta.app_label}_{models[0]._meta.model_name}_change", args=[key])


def link(url: str, text: Any) -> Any:
    """Return a link, or only the text without a URL."""
    return format_html('<a href="{}">{}</a>', url, text) if url else text or EMPTY


def table(
    title: str | Promise,
    rows: Iterable[Model],
    columns: Sequence[str],
    *,
    empty: str | Promise = "",
    more_url: str = "",
    links: Sequence[Cell] = (),
) -> Panel:
    """Return a table with the same cells as the rows' own list; the first column links to the row's page."""
    shown = list(rows)
    headers: list[Any] = []
    if shown:
        page: Any = site._registry[type(shown[0])]
        headers = [capfirst(str(label_for_field(name, page.model, page))) for name in columns]
    cells = [[_cell(row, name, not index) for index, name in enumerate(columns)] for row in shown]
    return Panel(title, headers, cells, empty, more_url, links)


def _cell(row: Any, name: str, is_first: bool) -> Cell:
    page: Any = site._registry[type(row)]
    found, _attribute, value = lookup_field(name, row, page)
    own = change_url(row) if is_first else ""
    if isinstance(found, ForeignKey) and value is not None:
        return Cell(str(value), own or (change_url(value) if type(value) in site._registry else ""))
    text = display_for_field(value, found, EMPTY) if found is not None else display_for_value(value, EMPTY)
    if isinstance(value, datetime):
        text = time_element(value)
    return Cell(text, own, _tone(value) if _is_status_field(row, name) else "")


def _tone(value: Any) -> str:
    return getattr(value, "operator_tone", "") or TONES.get(getattr(value, "value", value), "")


def _is_status_field(row: Model, name: str) -> bool:
    try:
        return bool(row._meta.get_field(name).choices)  # type: ignore[union-attr]  # relations have none, and are handled above
    except FieldDoesNotExist:
        return name in ("status", "state")


def time_element(value: datetime) -> Any:
    """Return a ``<time>`` element with seconds."""
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), local_time_text(value))


def local_time_text(value: datetime | None) -> str:
    """Return a time to the second in the local zone, with the zone's name."""
    return timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S %Z") if value else EMPTY


def organization_panels(organization: Any) -> list[Panel]:
    """Return links to an organization's lists, and tables of its newest rows as ``organization_columns`` says."""
    panels, links = [], []
    for model, page in site._registry.items():
        columns = getattr(page, "organization_columns", None)
        if columns is None:
            continue
        url, name = changelist_url(model, organization.slug), capfirst(str(model._meta.verbose_name_plural))
        links.append(Cell(name, url))
        if columns:
            rows: Any = model._default_manager.filter(organization_id=organization.pk)
            panels.append(table(name, rows.order_by("-pk")[:MAX_ORGANIZATION_ROWS], columns, more_url=url))
    return [Panel("", links=links), *(panel for panel in panels if panel.rows)]
