"""S6: replacing a key, switching it off and on, releasing it, ending it."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from apps.api_keys import actions, presenting
from apps.api_keys.models import ApiKey
from apps.api_keys.presenting.replacing import replacing
from apps.api_keys.views.creation import already_shown, show_once
from apps.api_keys.views.one_key import find_key
from apps.base.errors import PortalError
from apps.base.forms import AlreadySent, blame
from apps.base.pages import FORM, org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.credentials import lifecycle
from apps.credentials.forms import ConfirmForm, DisableKeyForm, RevokeKeyForm, RotateKeyForm, try_change

Change = Callable[..., Any]


def back(request: PortalRequest, key: ApiKey) -> HttpResponse:
    """This will lead to the key's page."""
    return redirect("api_key", request.organization.slug, key.public_id)


# A replacement


@org_page(Permission.API_KEYS_WRITE, nav="api_keys", methods=FORM)
def key_rotate(request: PortalRequest, key_id: str) -> HttpResponse:
    """S6: how long the old key goes on working; then S4, the new one."""
    key = find_key(request, key_id)
    if key.has_ended:
        return back(request, key)
    form = RotateKeyForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid():
        answer = _rotate(request, form, key)
        if answer is not None:
            return answer
    context = {"form": form, **replacing(request.actor, key)}
    return render(request, "api_keys/rotate.html", context, status=422 if form.errors else 200)


def _rotate(request: PortalRequest, form: RotateKeyForm, key: ApiKey) -> HttpResponse | None:
    try:
        with transaction.atomic():
            form.spend()
            made, text = actions.rotate_key(
                actor=request.actor, key_id=key.public_id, overlap_seconds=form.overlap_seconds
            )
    except AlreadySent:
        return already_shown(request, ApiKey.objects.for_actor(request.actor).filter(replaces=key).first())
    except PortalError as error:
        blame(form, error, {"overlap_seconds": "overlap"})
        return None
    return show_once(request, made, text)


# Other states


@org_page(Permission.API_KEYS_WRITE, nav="api_keys", methods=FORM)
def key_disable(request: PortalRequest, key_id: str) -> HttpResponse:
    """S6: switching a key off until somebody switches it on again."""
    key = find_key(request, key_id)
    if key.has_ended or key.disabled_at is not None:
        return back(request, key)
    form = DisableKeyForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid() and try_change(form, actions.disable_key, key, reason=form.cleaned_data["reason"]):
        messages.success(request, _("“%(name)s” is disabled. Calls with it are refused.") % {"name": key.name})
        return back(request, key)
    context = {"form": form, **presenting.harm(request.actor, key)}
    return render(request, "api_keys/disable.html", context, status=422 if form.errors else 200)


@org_page(Permission.API_KEYS_WRITE, nav="api_keys", methods=FORM)
def key_enable(request: PortalRequest, key_id: str) -> HttpResponse:
    """One click that switches a disabled key on again."""
    key = find_key(request, key_id)
    if key.has_ended or key.disabled_at is None:
        return back(request, key)
    done = _("“%(name)s” works again, from its next call on.") % {"name": key.name}
    return _at_one_click(request, key, actions.enable_key, "api_keys/enable.html", done)


@org_page(Permission.API_KEYS_WRITE, nav="api_keys", methods=FORM)
def key_release(request: PortalRequest, key_id: str) -> HttpResponse:
    """One click that takes a key out of quarantine."""
    key = find_key(request, key_id)
    if key.has_ended or key.quarantined_at is None:
        return back(request, key)
    done = _("“%(name)s” is released: it may do again what its rights allow.") % {"name": key.name}
    return _at_one_click(request, key, actions.release_key, "api_keys/release.html", done)


def _at_one_click(request: PortalRequest, key: ApiKey, change: Change, template: str, done: str) -> HttpResponse:
    """Do it at once where who is there was confirmed lately; else the page asks."""
    form = ConfirmForm.of(request)
    if form.is_valid() and try_change(form, change, key):
        messages.success(request, done)
        return back(request, key)
    context = {"form": form, "key": presenting.facts(key, None)}
    return render(request, template, context, status=422 if form.errors else 200)


@org_page(Permission.API_KEYS_WRITE, nav="api_keys", methods=FORM)
def key_revoke(request: PortalRequest, key_id: str) -> HttpResponse:
    """S6: what a revocation will break, then the revocation."""
    key = find_key(request, key_id)
    if key.has_ended:
        return back(request, key)
    harm: dict[str, Any] = presenting.harm(request.actor, key)
    form = RevokeKeyForm(
        request.POST if request.method == "POST" else None,
        request=request,
        key_name=key.name,
        recently_used=harm["recently_used"],
        successors=lifecycle.own_successors(key),
    )
    if form.is_valid() and try_change(form, actions.revoke_key, key, **form.for_action()):
        messages.success(request, _("“%(name)s” is revoked. Its next call is refused.") % {"name": key.name})
        return back(request, key)
    return render(request, "api_keys/revoke.html", {"form": form, **harm}, status=422 if form.errors else 200)
