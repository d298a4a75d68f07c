"""Documentation pages: getting started, best practices, errors, webhooks, changelog."""

import json
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from apps.base.error_codes import ERROR_CODES, example_body
from apps.base.outbound.addresses import AddressPolicy
from apps.base.permissions import Permission
from apps.base.rest.snippets import API_KEY, as_curl, first_request_snippets, request_for
from apps.webhooks.api.operations import PUBLISH_EVENT
from apps.webhooks.engine.retry_schedule import JITTER, MAX_RETRY_AFTER_SECONDS
from apps.webhooks.view_models.verification_code import (
    RECEIVERS,
    language_tabs,
    receiver_context,
    receiver_for,
    source_code,
)
from integrations_portal.api_docs import changelog
from integrations_portal.api_docs.reader import page, reader_of

RECEIVER_PORT = 9000
VERIFIED_LINE = "verified evt_0123456789ABCDEFGHIJKL order.created"


def start(request: HttpRequest) -> HttpResponse:
    """Show the way to a first request, a first webhook and a first event."""
    reader = reader_of(request)
    context = {
        "may_make_keys": reader.actor is None or reader.actor.can(Permission.API_KEYS_WRITE),
        "create_url": reader.to("api_key_create"),
        "env_line": f"export {API_KEY}=ipk_…",
        "first_calls": first_request_snippets(),
        "catalogue_url": reader.to("events"),
        "audit_url": reader.to("audit"),
        "publish": as_curl(request_for(PUBLISH_EVENT, "POST", "/v1/events", ("api_key",))),
    }
    return page(request, "docs_start", context, reader)


def practices(request: HttpRequest) -> HttpResponse:
    """Show best practices; forms link to the anchors of this page."""
    reader = reader_of(request)
    context = {"keys_url": reader.to("api_keys"), "webhooks_url": reader.to("webhooks"), "key_name": API_KEY}
    return page(request, "docs_practices", context, reader)


def errors(request: HttpRequest) -> HttpResponse:
    """Show every error code, each with the anchor that the API's error responses link to."""
    codes = [
        {
            "code": name,
            "status": code.status,
            "text": code.text,
            "advice": code.advice,
            "body": json.dumps(example_body(name), indent=2, ensure_ascii=False),
        }
        for name, code in ERROR_CODES.items()
    ]
    statuses = {status: [each for each in codes if each["status"] == status] for status in _statuses(codes)}
    return page(request, "docs_errors", {"statuses": list(statuses.items()), "first": codes[0]["body"]})


def _statuses(codes: list[dict[str, Any]]) -> list[int]:
    return sorted({each["status"] for each in codes})


def webhooks(request: HttpRequest) -> HttpResponse:
    """Show how to receive and verify webhooks. ``?lang=``: the language of the receiver."""
    reader, chosen = reader_of(request), receiver_for(request.GET.get("lang", ""))
    query = f"{reader.query}&lang=" if reader.query else "?lang="
    context = {
        "languages": language_tabs(reverse("docs_webhooks") + query, chosen),
        "receiver": receiver_context(chosen),
        "verified": VERIFIED_LINE,
        "accepts_loopback": AddressPolicy.from_settings().is_exception(ip_address("127.0.0.1"), RECEIVER_PORT),
        "may_add_endpoints": reader.actor is None or reader.actor.can(Permission.WEBHOOKS_WRITE),
        "waits": _retry_schedule(),
        "jitter": round(JITTER * 100),
        "longest_hours": round(MAX_RETRY_AFTER_SECONDS / 3600),
        "timeout_seconds": settings.WEBHOOK_TIMEOUT,
        "inbox_url": reader.to("webhook_inbox"),
        "endpoint_url": reader.to("webhook_create"),
        "webhooks_url": reader.to("webhooks"),
    }
    return page(request, "docs_webhooks", context, reader)


def receiver(request: HttpRequest, file: str) -> HttpResponse:
    """Return a receiver's file as a download."""
    if file not in {each.file for each in RECEIVERS}:
        raise Http404
    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    return HttpResponse(source_code(file), content_type="text/plain; charset=utf-8", headers=headers)


def _retry_schedule() -> list[dict[str, Any]]:
    """Return the attempts of the retry schedule, each with its wait and its time after the event."""
    rows, total = [{"number": 1, "wait": _format_duration(0), "after": _format_duration(0)}], 0
    for number, wait in enumerate(settings.WEBHOOK_RETRY_SCHEDULE, start=2):
        total += wait
        rows.append({"number": number, "wait": _format_duration(wait), "after": _format_duration(total)})
    return rows


def _format_duration(seconds: int) -> str:
    """Format seconds as 2 h 5 min: the units are the same in all languages of the portal."""
    parts = ((seconds // 3600, "h"), (seconds % 3600 // 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{count}\u202f{unit}" for count, unit in parts if count) or "–"


def changes(request: HttpRequest) -> HttpResponse:
    """Show the API entries of the changelog."""
    return page(request, "docs_changelog", {"entries": changelog.entries()})
