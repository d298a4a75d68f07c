"""Diagnosis of a key on its admin page: whether it works, its last use, and refused requests."""

import time
from collections.abc import Iterator, Sequence

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from apps.audit.models import ApiCall, LastUse, RefusedCalls
from apps.audit.operator_admin import (
    Cell,
    Panel,
    SummaryLine,
    change_url,
    changelist_url,
    limit_to_newest,
    local_time_text,
    table,
)
from apps.base.actor import ActorKind
from apps.credentials.gate.key_check import CLOSED, SUSPENDED
from apps.credentials.gate.key_rows import KeyRow
from apps.credentials.key_kinds import KEY_KINDS
from apps.credentials.models import SecretKey
from apps.notices.admin import notices_about

CALLS_SHOWN = 10
# How many of a key's newest requests are searched for refused ones.
MAX_SEARCHED = 1_000
COLUMNS = ("at", "method", "route", "status", "code", "address")


def summary_lines(key: SecretKey) -> Sequence[SummaryLine]:
    """Return whether the key works now, in the order of the gate's checks, and which restrictions apply."""
    row = KEY_KINDS[key.key_prefix].rows.get(key.key_id)
    refused = list(_refusals(key, row)) if row else []
    works = [] if refused else [SummaryLine("ok", _("The key works."))]
    return [*works, *refused, *(_restrictions(row) if row else ()), _last_use(key), *_rotation_links(key)]


def _refusals(key: SecretKey, row: KeyRow) -> Iterator[SummaryLine]:
    """Return the reasons why the gate refuses every request, with the error codes."""
    refusal = row.refusal(time.time())
    if refusal is not None:
        text = str(refusal.admin_text) % {"at": local_time_text(key.expires_at)}
        yield SummaryLine("bad", text + (_changed_by_text(key) if refusal.shows_changed_by else ""))
    if row.organization_status == SUSPENDED:
        text = _("The organization is suspended, so requests get 403 organization_suspended.")
        yield SummaryLine("bad", text, change_url(key.organization), row.organization_name)
    if row.organization_status == CLOSED:
        text = _("The organization is closed, so requests get 403 organization_suspended.")
        yield SummaryLine("bad", text, change_url(key.organization), row.organization_name)
    if row.is_type_disabled:
        yield SummaryLine(
            "bad", _("Keys of this type are turned off for the organization, so requests get 403 forbidden.")
        )


def _changed_by_text(key: SecretKey) -> str:
    """Return who changed the key's state, when, and why."""
    if key.status_changed_at is None:
        return ""
    kind = key.status_changed_by.partition(":")[0]
    who = _("the portal or a command") if kind == ActorKind.SYSTEM else key.status_changed_by
    facts = {"who": who or "–", "at": local_time_text(key.status_changed_at), "why": key.status_reason}
    return " " + (_("By %(who)s on %(at)s: %(why)s") if key.status_reason else _("By %(who)s on %(at)s.")) % facts


def _restrictions(row: KeyRow) -> Iterator[SummaryLine]:
    """Return the reasons why the gate refuses some requests of a working key."""
    if row.restriction is not None:
        yield SummaryLine("warn", row.restriction.admin_text)
    if row.networks:
        text = _("Only from %(networks)s. Requests from elsewhere get 403 ip_not_allowed.")
        yield SummaryLine("info", text % {"networks": ", ".join(row.networks)})
    if row.disabled_scopes:
        text = _("Scopes turned off for the organization: %(scopes)s. They get 403 insufficient_scope.")
        yield SummaryLine("warn", text % {"scopes": ", ".join(sorted(row.disabled_scopes))})


def _last_use(key: SecretKey) -> SummaryLine:
    use = LastUse.objects.filter(pk=key.pk).first()
    if use is None:
        return SummaryLine("info", _("Never used: no request with it was accepted."))
    facts = {"at": local_time_text(use.at), "address": use.address or "–"}
    return SummaryLine("info", _("Last accepted request: %(at)s, from %(address)s.") % facts)


def _rotation_links(key: SecretKey) -> Iterator[SummaryLine]:
    """Return links to the successor and the predecessor."""
    successor = getattr(key, "replaced_by", None)
    if successor is not None:
        yield SummaryLine("info", _("Rotated. Replaced by:"), change_url(successor), str(successor))
    if key.replaces is not None:
        yield SummaryLine("info", _("Replaces:"), change_url(key.replaces), str(key.replaces))


def panels(key: SecretKey) -> Sequence[Panel]:
    """Return the key's last refused requests, its last requests, and the notifications about it."""
    calls = ApiCall.objects.filter(credential_id=key.pk)
    refused = limit_to_newest(calls, MAX_SEARCHED).filter(status__gte=400)
    elsewhere = Cell(capfirst(RefusedCalls._meta.verbose_name_plural), changelist_url(RefusedCalls))
    return [
        table(
            _("Last refused requests"),
            refused.order_by("-pk")[:CALLS_SHOWN],
            COLUMNS,
            empty=_("None of its last 1,000 requests. Those with a mistyped key belong to no key; they are under"),
            links=(elsewhere,),
        ),
        table(
            _("Last requests"),
            calls.order_by("-pk")[:CALLS_SHOWN],
            COLUMNS,
            empty=_("None is kept."),
            more_url=changelist_url(ApiCall, key.public_id),
        ),
        *notices_about(key.organization_id, key.public_id),
    ]
