"""Create and edit endpoints, and check their URL."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from apps.base.crypto.secrets import MASK_DOTS
from apps.base.errors import PortalError
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web import form_limits
from apps.base.web.forms import AlreadySubmitted, add_action_errors
from apps.base.web.pages import FORM_METHODS, org_page
from apps.webhooks import actions, view_models
from apps.webhooks.engine.test_inbox import is_inbox
from apps.webhooks.forms import EndpointEditForm, EndpointFields, EndpointForm, pattern_choices
from apps.webhooks.models import Endpoint, EventType
from apps.webhooks.types.catalogue import ALL_EVENTS
from apps.webhooks.views.endpoints import reveal_secret
from apps.webhooks.views.lookups import get_endpoint

CHECK_RATE = "5/m"


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=FORM_METHODS)
def endpoint_create(request: PortalRequest) -> HttpResponse:
    """Create an endpoint and show its signing secret once; Check and Search render the form again."""
    types = list(EventType.objects.filter(is_deprecated=False))
    form = EndpointForm(request.POST or None, request=request, choices=pattern_choices(types))
    if request.method == "POST" and not _is_preview(request) and form.is_valid():
        response = _create(request, form)
        if response is not None:
            return response
    chosen = form.data.getlist("event_types") if form.is_bound else request.GET.getlist("event")
    return _render(request, form, types, chosen)


def _create(request: PortalRequest, form: EndpointForm) -> HttpResponse | None:
    try:
        with transaction.atomic():
            form.consume_token()
            endpoint, secret = actions.create_endpoint(actor=request.actor, **form.action_arguments())
    except AlreadySubmitted:
        messages.info(request, _("This endpoint was added already. Its secret was shown once."))
        return redirect("webhooks", request.organization.slug)
    except PortalError as error:
        add_action_errors(form, error)
        return None
    return reveal_secret(request, endpoint, secret)


@org_page(Permission.WEBHOOKS_WRITE, nav="webhooks", methods=FORM_METHODS)
def endpoint_edit(request: PortalRequest, endpoint_id: str) -> HttpResponse:
    """Edit an endpoint; the stored header values are masked."""
    endpoint = get_endpoint(request, endpoint_id)
    types = list(EventType.objects.all())
    # Current subscriptions stay selectable, including deprecated types and patterns with several words.
    choices = list(dict.fromkeys([*pattern_choices(types), *endpoint.event_types]))
    form = EndpointEditForm(
        request.POST or None,
        request=request,
        initial=_values_of(endpoint),
        choices=choices,
        is_inbox=is_inbox(endpoint.url),
    )
    if request.method == "POST" and not _is_preview(request) and form.is_valid():
        try:
            actions.update_endpoint(actor=request.actor, endpoint_id=endpoint_id, **form.action_arguments())
        except PortalError as error:
            add_action_errors(form, error)
        else:
            messages.info(request, _("Saved. It holds from the next delivery on."))
            return redirect("webhook", request.organization.slug, endpoint_id)
    chosen = form.data.getlist("event_types") if form.is_bound else endpoint.event_types  # type: ignore[attr-defined]  # a QueryDict has it
    shown = [each for each in types if not each.is_deprecated or each.name in chosen]
    return _render(request, form, shown, chosen, endpoint)


def _values_of(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "url": endpoint.url,
        "description": endpoint.description,
        "all_events": "all" if ALL_EVENTS in endpoint.event_types else "",
        "rate_limit_per_second": endpoint.rate_limit_per_second,
        "max_in_flight": endpoint.max_in_flight,
        "headers": "\n".join(f"{name}: {MASK_DOTS}" for name in endpoint.custom_headers or ()),
    }


def _is_preview(request: PortalRequest) -> bool:
    """Return whether Check or Search was clicked, which save nothing."""
    return "check" in request.POST or "find" in request.POST


def _render(
    request: PortalRequest,
    form: EndpointFields,
    types: Sequence[EventType],
    chosen: Sequence[str],
    endpoint: Endpoint | None = None,
) -> HttpResponse:
    """Render the form; errors are shown unless Check or Search was clicked."""
    is_preview = _is_preview(request)
    q = request.POST.get("q", "").strip() if request.method == "POST" else ""
    names = {each.name for each in types}
    context = {
        "form": form,
        "show_errors": not is_preview,
        "groups": view_models.type_groups(_matching_types(types, q, chosen), chosen),
        "other_patterns": [
            each for each in chosen if each != ALL_EVENTS and each not in names and not _is_type_prefix(each, names)
        ],
        "q": q,
        "check": _check(request) if "check" in request.POST else None,
        "timeout_seconds": settings.WEBHOOK_TIMEOUT,
        "endpoint": view_models.endpoint_context(endpoint) if endpoint else None,
    }
    status = 422 if form.is_bound and not is_preview else 200
    response = render(request, "webhooks/create.html", context, status=status)
    # Submitted header values can be secret.
    response["Cache-Control"] = "no-store, private"
    return response


def _matching_types(types: Sequence[EventType], q: str, chosen: Sequence[str]) -> list[EventType]:
    """Return the event types that match the search, and the selected ones, so that a search does not deselect them."""
    text = q.lower()
    selected = set(chosen)
    return [each for each in types if text in f"{each.name} {each.description}".lower() or each.name in selected]


def _is_type_prefix(pattern: str, names: set[str]) -> bool:
    prefix = pattern.removesuffix("*")
    return prefix.count(".") == 1 and any(name.startswith(prefix) for name in names)


def _check(request: PortalRequest) -> dict[str, Any]:
    """Return the result of a request to the submitted URL; each organization can send CHECK_RATE."""
    url = request.POST.get("url", "").strip()
    count = partial(form_limits.check, request, "endpoint-check", CHECK_RATE, per=request.organization.public_id)
    try:
        return view_models.check_result(actions.probe_url(actor=request.actor, url=url, count=count), url)
    except PortalError as error:
        return {"lines": [{"tone": "bad", "text": str(error)}], "hint": "", "tone": "bad"}
