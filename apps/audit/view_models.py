"""View models of the audit page: rows, filters and exports."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.audit.action_labels import grouped_labels, label_for
from apps.audit.exports.reader import filters_from
from apps.audit.models import AuditExport, ExportStatus
from apps.audit.timeline.filter_options import filter_options, link_to_page
from apps.audit.timeline.filters import is_target
from apps.audit.timeline.sources import Row, categories
from apps.base.actor import Actor, ActorKind
from apps.base.rest.snippets import as_curl, logged_request
from apps.base.text.redaction import hide_keys

SYSTEM = "system"
MAX_SHOWN_LENGTH = 60
FORMAT_NAMES = {"csv": "CSV", "jsonl": "JSON Lines"}


def entry(row: Row, slug: str) -> dict[str, Any]:
    """Return one row with links to its objects and to the list filtered by actor or target."""
    base_path = f"/o/{slug}/"
    page = row.link or link_to_page(row.target.id)
    key_page = link_to_page(row.actor.id) if row.actor.kind == ActorKind.API_KEY else ""
    return {
        "id": row.id,
        "at": row.at,
        "category": row.category,
        "actor_label": row.actor.label or row.actor.id,
        "actor_query": urlencode({"actor": row.actor.id}) if _is_actor(row) else "",
        "key_page": base_path + key_page if key_page else "",
        "address": row.address,
        "sentence": row.sentence,
        "target_label": row.target.label or row.target.id,
        "target_query": urlencode({"target": row.target.id}) if _has_target(row) else "",
        "link": base_path + page if page else "",
        "outcome": row.outcome,
        "request_id": row.request_id,
        "user_agent": row.user_agent,
        "http": row.http,
        "curl": _as_curl(row),
        "is_change": row.category == "change",
        "seq": row.seq,
        "hash": row.hash,
        "changes": [{"field": name, "old": old, "new": new} for name, (old, new) in row.changes.items()],
    }


def _as_curl(row: Row) -> str:
    """Return a call as a curl command; a delivery attempt has its own page, which offers one with the sent body."""
    if row.http is None or row.category != "api_call" or not row.http.route:
        return ""
    return as_curl(logged_request(row.http.method, row.http.route, row.actor.id.partition("_")[0]))


def _is_actor(row: Row) -> bool:
    return row.actor.id == SYSTEM or "_" in row.actor.id


def _has_target(row: Row) -> bool:
    return bool(row.target.id) and is_target(row.target.id)


def choices(actor: Actor, chosen: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of each filter, with one query per kind; a chosen value that is not among them comes first."""
    groups = {kind: filter_options(actor, kind) for kind in ("people", "api_keys", "sdk_keys", "endpoints")}
    members, keys = groups["people"], [*groups["api_keys"], *groups["sdk_keys"]]
    portal = [(_("Portal"), [(SYSTEM, _("The portal itself"))])]
    return {
        "who": _select(chosen, "actor", _("Anybody"), _options(members + keys) + portal),
        "target": _select(chosen, "target", _("Any target"), _options(groups["endpoints"] + keys + members)),
        "key": _select(chosen, "key", _("Any key"), _options(keys)),
        "category": _select(chosen, "category", _("All kinds"), [("", _categories())]),
        "action": _select(chosen, "action", _("All actions"), grouped_labels()),
    }


def _options(groups: list[Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(heading, [(party.id, party.label) for party in parties]) for heading, parties in groups]


def _select(
    chosen: Mapping[str, str], name: str, empty_label: str, groups: list[tuple[str, list[tuple[str, str]]]]
) -> dict[str, Any]:
    value = chosen.get(name, "")
    known = {option for _heading, options in groups for option, _label in options}
    if value and value not in known:
        groups = [("", [(value, value)]), *groups]
    return {"name": name, "value": value, "nothing": empty_label, "groups": [group for group in groups if group[1]]}


def _categories() -> list[tuple[str, str]]:
    labels = {"change": _("Changes"), "api_call": _("API calls"), "delivery": _("Deliveries")}
    return [(name, labels.get(name, name)) for name in categories()]


def export_facts(job: AuditExport) -> dict[str, Any]:
    """Return an export with its filters, progress and state."""
    count = job.count or 0
    return {
        "id": job.public_id,
        "state": job.status,
        "format": FORMAT_NAMES[job.file_format],
        "filters": _filter_pairs(job),
        "count": max(count, job.written),
        "written": job.written,
        "size": job.size,
        "text": _progress(job),
        "created_at": job.created_at,
        "created_by": job.created_by_label,
        "finished_at": job.finished_at,
        "expires_at": job.expires_at,
        "is_over": job.status not in (ExportStatus.ESTIMATING, ExportStatus.RUNNING),
        "has_file": job.status == ExportStatus.DONE,
    }


def _progress(job: AuditExport) -> str:
    if job.status == ExportStatus.ESTIMATING:
        return _("Counting what matches …")
    written = number_format(job.written, force_grouping=True)
    if job.status == ExportStatus.RUNNING:
        count = number_format(max(job.count or 0, job.written), force_grouping=True)
        return _("%(written)s of %(count)s rows written") % {"written": written, "count": count}
    return ngettext("%(written)s row written", "%(written)s rows written", job.written) % {"written": written}


def _labels() -> dict[str, str]:
    return {
        "category": _("Kind"), "actor": _("Who"), "action": _("Action"), "target": _("Target"), "key": _("Key"),
        "since": _("From"), "until": _("Before"), "request_id": _("Request id"),
    }  # fmt: skip


def invalid_filters_message(names: Sequence[str], texts: Mapping[str, str]) -> str:
    """Return a message that names the invalid filters and the expected format of a day; empty if all are valid."""
    labels = _labels() | {"since": _("From day"), "until": _("To day")}
    of_day = _("%(filter)s: “%(text)s” can't be used. Enter a date such as 2026-11-22.")
    of_word = _("%(filter)s: “%(text)s” can't be used. Change or clear this filter.")
    return " ".join(
        (of_day if name in ("since", "until") else of_word)
        % {"filter": labels[name], "text": hide_keys(texts[name])[:MAX_SHOWN_LENGTH]}
        for name in names
    )


def _filter_pairs(job: AuditExport) -> list[tuple[str, Any]]:
    """Return the filters of an export as pairs of label and value, with times as datetimes."""
    labels = _labels()
    filters = filters_from(job.filters)
    values: dict[str, Any] = {name: getattr(filters, name) for name in labels if getattr(filters, name)}
    if "action" in values:
        values["action"] = ", ".join(str(label_for(name)) for name in filters.actions)
    if "category" in values:
        values["category"] = ", ".join(dict(_categories())[name] for name in values["category"].split(","))
    return [(labels[name], value) for name, value in values.items()]
