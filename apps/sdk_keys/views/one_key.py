"""One SDK key: its facts, its devices, how an app uses it; and what of it may change."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from apps.base.pages import FORM, org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.credentials.forms import clicks, try_change
from apps.sdk_keys import actions, presenting
from apps.sdk_keys.forms import ChangeSdkKeyForm
from apps.sdk_keys.models import SdkKey

# Buttons of the page that change the key at once.
CLICKS = {"enable": "sdk_key_enable", "release": "sdk_key_release"}


def find_key(request: PortalRequest, sdk_key_id: str) -> SdkKey:
    """This will return an SDK key of the organization in the path, or raise NotFound."""
    rows = SdkKey.objects.for_actor(request.actor).select_related("pool", "replaces", "replaced_by")
    key: SdkKey = rows.with_public_id(sdk_key_id)
    return key


@org_page(Permission.SDK_KEYS_READ, nav="sdk_keys")
def sdk_key_detail(request: PortalRequest, sdk_key_id: str) -> HttpResponse:
    """One key, the devices that hold a place of it, and its history."""
    key = find_key(request, sdk_key_id)
    show = request.GET.get("show", "")
    context = {
        **presenting.detail(request.actor, key),
        **presenting.devices(request.actor, key, show, request.GET.get("cursor", "")),
        "device_tabs": presenting.device_tabs(show, request.path),
        "clicks": clicks(request, key, CLICKS, Permission.SDK_KEYS_WRITE),
        "may_free": request.actor.can(Permission.SDK_KEYS_WRITE) or request.actor.can(Permission.ACTIVATIONS_WRITE),
    }
    return render(request, "sdk_keys/detail.html", context)


@org_page(Permission.SDK_KEYS_WRITE, nav="sdk_keys", methods=FORM)
def sdk_key_edit(request: PortalRequest, sdk_key_id: str) -> HttpResponse:
    """What of a key may change while it lives."""
    key = find_key(request, sdk_key_id)
    if key.has_ended:
        return redirect("sdk_key", request.organization.slug, sdk_key_id)
    form = ChangeSdkKeyForm(request.POST if request.method == "POST" else None, request=request, key=key)
    if form.is_valid() and try_change(form, actions.update_sdk_key, key, **form.of_app()):
        messages.success(request, _("Saved. The next call with the key is judged by it."))
        return redirect("sdk_key", request.organization.slug, sdk_key_id)
    context = {"form": form, "key": presenting.facts(key, None)}
    return render(request, "sdk_keys/edit.html", context, status=422 if form.errors else 200)
