"""S6: replacing an SDK key, switching it off and on, releasing it, ending it."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from apps.base.errors import PortalError
from apps.base.forms import AlreadySent, blame
from apps.base.pages import FORM, org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.credentials.forms import ConfirmForm, DisableKeyForm, RevokeKeyForm, RotateKeyForm, try_change
from apps.sdk_keys import actions, presenting
from apps.sdk_keys.models import SdkKey
from apps.sdk_keys.views.creation import already_shown, show_once
from apps.sdk_keys.views.one_key import find_key


def back(request: PortalRequest, key: SdkKey) -> HttpResponse:
    """This will lead to the key's page."""
    return redirect("sdk_key", request.organization.slug, key.public_id)


@org_page(Permission.SDK_KEYS_WRITE, nav="sdk_keys", methods=FORM)
def sdk_key_rotate(request: PortalRequest, sdk_key_id: str) -> HttpResponse:
    """S6: how long the old key goes on working; then S4, the new one."""
    key = find_key(request, sdk_key_id)
    if key.has_ended:
        return back(request, key)
    form = RotateKeyForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid():
        answer = _rotate(request, form, key)
        if answer is not None:
            return answer
    context = {"form": form, **presenting.replacing(key)}
    return render(request, "sdk_keys/rotate.html", context, status=422 if form.errors else 200)


def _rotate(request: PortalRequest, form: RotateKeyForm, key: SdkKey) -> HttpResponse | None:
    try:
        with transaction.atomic():
            form.spend()
            overlap = form.overlap_seconds
            made, text = actions.rotate_sdk_key(actor=request.actor, key_id=key.public_id, overlap_seconds=overlap)
    except AlreadySent:
        successor = SdkKey.objects.for_actor(request.actor).filter(replaces=key).first()
        return already_shown(request, successor, key.platform)
    except PortalError as error:
        blame(form, error, {"overlap_seconds": "overlap"})
        return None
    return show_once(request, made, text)


@org_page(Permission.SDK_KEYS_WRITE, nav="sdk_keys", methods=FORM)
def sdk_key_disable(request: PortalRequest, sdk_key_id: str) -> HttpResponse:
    """S6: switching a key off until somebody switches it on again."""
    key = find_key(request, sdk_key_id)
    if key.has_ended or key.disabled_at is not None:
        return back(request, key)
    form = DisableKeyForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid() and try_change(form, actions.disable_sdk_key, key, reason=form.cleaned_data["reason"]):
        messages.success(request, _("“%(name)s” is disabled. Calls with it are refused.") % {"name": key.name})
        return back(request, key)
    context = {"form": form, **presenting.harm(key)}
    return render(request, "sdk_keys/disable.html", context, status=422 if form.errors else 200)


@org_page(Permission.SDK_KEYS_WRITE, nav="sdk_keys", methods=FORM)
def sdk_key_enable(request: PortalRequest, sdk_key_id: str) -> HttpResponse:
    """One click that switches a disabled key on again."""
    key = find_key(request, sdk_key_id)
    if key.has_ended or key.disabled_at is None:
        return back(request, key)
    done = _("“%(name)s” works again, from its next call on.") % {"name": key.name}
    return _at_one_click(request, key, actions.enable_sdk_key, "sdk_keys/enable.html", done)


@org_page(Permission.SDK_KEYS_WRITE, nav="sdk_keys", methods=FORM)
def sdk_key_release(request: PortalRequest, sdk_key_id: str) -> HttpResponse:
    """One click that takes a key out of quarantine."""
    key = find_key(request, sdk_key_id)
    if key.has_ended or key.quarantined_at is None:
        return back(request, key)
    done = _("“%(name)s” is released: new devices can be activated with it again.") % {"name": key.name}
    return _at_one_click(request, key, actions.release_sdk_key, "sdk_keys/release.html", done)


def _at_one_click(
    request: PortalRequest, key: SdkKey, change: Callable[..., Any], template: str, done: str
) -> HttpResponse:
    """Do it at once where who is there was confirmed lately; else the page asks."""
    form = ConfirmForm.of(request)
    if form.is_valid() and try_change(form, change, key):
        messages.success(request, done)
        return back(request, key)
    context = {"form": form, "key": presenting.facts(key, None)}
    return render(request, template, context, status=422 if form.errors else 200)


@org_page(Permission.SDK_KEYS_WRITE, nav="sdk_keys", methods=FORM)
def sdk_key_revoke(request: PortalRequest, sdk_key_id: str) -> HttpResponse:
    """S6: what a revocation will break, then the revocation."""
    key = find_key(request, sdk_key_id)
    if key.has_ended:
        return back(request, key)
    harm = presenting.harm(key)
    form = RevokeKeyForm(
        request.POST if request.method == "POST" else None,
        request=request,
        key_name=key.name,
        recently_used=harm["recently_used"],
    )
    if form.is_valid() and try_change(form, actions.revoke_sdk_key, key, reason=form.cleaned_data["reason"]):
        messages.success(request, _("“%(name)s” is revoked. Its next call is refused.") % {"name": key.name})
        return back(request, key)
    context = {"form": form, "danger": True, **harm}
    return render(request, "sdk_keys/revoke.html", context, status=422 if form.errors else 200)
