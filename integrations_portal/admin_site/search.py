"""The operators' search: one field for any identifier that a customer names, with advice if nothing is found.

The text can be a whole API key pasted from a mail. It is reduced to its public part first, so that the secret is not
searched for and does not get into a URL, page or log.
"""

import re
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from apps.audit.models import RefusedCalls
from apps.audit.operator_admin import FULL_KEY, SummaryLine, changelist_url, find
from apps.base.crypto.secrets import matches, parse_key
from apps.base.text.redaction import hide_keys
from apps.credentials.key_kinds import KEY_KINDS
from apps.orgs.mail.jobs import SENT_RETENTION
from apps.orgs.models import OutgoingMail

MAX_LENGTH = 300
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
KEY = re.compile(r"ip[ks]_[0-9A-Za-z]{12,}", re.ASCII)


@sensitive_post_parameters("text")
def find_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Search for the text; redirect to the object if it is the only one, else list the results."""
    typed = request.POST.get("text", "").strip()[:MAX_LENGTH]
    warnings = list(_key_warnings(typed))
    text = _searchable(typed)
    found = find(text) if text else None
    if found and found.only:
        for line in warnings:
            messages.warning(request, str(line.text))
        return redirect(found.only)
    if found and not found.panels:
        warnings += _nothing_found(text)
    context |= {"title": _("Find"), "asked": _shown(text), "found": found, "advice": warnings}
    return TemplateResponse(request, "admin/find.html", context)


def _searchable(typed: str) -> str:
    """Return the public part of a key if the text contains one, else the text with other secrets hidden."""
    key = KEY.search(typed)
    return FULL_KEY.sub(r"\1", key[0]) if key else hide_keys(typed)


def _shown(text: str) -> str:
    """Return the text for display, unless it contains a link: a pasted one can be a sign-in link."""
    return "" if "/" in text else text


def _key_warnings(typed: str) -> list[SummaryLine]:
    """Return warnings about a whole key: it must be rotated, and it can be incomplete or wrong."""
    key = KEY.search(typed)
    if key is None or FULL_KEY.fullmatch(key[0]) is None:
        return []
    lines = [SummaryLine("warn", _("That was a whole key. It wasn't stored, but whoever sent it should rotate it."))]
    parts = parse_key(key[0])
    row = KEY_KINDS[parts.prefix].keys().filter(key_id=parts.key_id).first() if parts else None
    if parts is None or (row is not None and not matches(parts.plaintext, row.digest, row.pepper_id)):
        text = _("It isn't the key as it was created: characters are missing or wrong. It gets 401 invalid_api_key.")
        lines.append(SummaryLine("bad", text))
    return lines


def _nothing_found(text: str) -> list[SummaryLine]:
    """Return the advice for a search without results, depending on the form of the text."""
    shown = _shown(text)
    lines = [SummaryLine("bad", _("Nothing found for “%(text)s”.") % {"text": shown} if shown else _("Nothing found."))]
    if _is_address(text):
        days = {"days": SENT_RETENTION.days}
        sentence = _(
            "No mail to this address is kept. Sent mail is kept for %(days)s days. A link asked for by an address "
            "without an account is never sent."
        )
        lines.append(SummaryLine("info", sentence % days, changelist_url(OutgoingMail), _("Outgoing mail")))
    elif REQUEST_ID.fullmatch(text):
        sentence = _(
            "If this is a request ID: requests without a known key leave no row, and rows go with their data "
            "retention. The access log has every request ID. Refused requests are counted by IP address:"
        )
        lines.append(SummaryLine("info", sentence, changelist_url(RefusedCalls), _("Refused requests")))
    return lines


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True
