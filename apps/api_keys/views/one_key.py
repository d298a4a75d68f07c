"""S5: one key, and what of it may change."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from apps.api_keys import actions, presenting
from apps.api_keys.forms import FIELD_OF_ERROR, ChangeKeyForm
from apps.api_keys.models import ApiKey
from apps.api_keys.views.access import access_of, own_address
from apps.base.errors import PortalError
from apps.base.forms import AlreadySent, blame
from apps.base.pages import FORM, org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.credentials.forms import clicks

# Buttons of the page that change the key at once.
CLICKS = {"enable": "api_key_enable", "release": "api_key_release"}


def find_key(request: PortalRequest, key_id: str) -> ApiKey:
    """This will return a key of the organization in the path, or raise NotFound."""
    rows = ApiKey.objects.for_actor(request.actor).select_related("key_type", "replaces", "replaced_by")
    key: ApiKey = rows.with_public_id(key_id)
    return key


@org_page(Permission.API_KEYS_READ, nav="api_keys")
def key_detail(request: PortalRequest, key_id: str) -> HttpResponse:
    """S5: one key, its use and its history."""
    key = find_key(request, key_id)
    context = {
        **presenting.detail(request.actor, key),
        "clicks": clicks(request, key, CLICKS, Permission.API_KEYS_WRITE),
    }
    return render(request, "api_keys/detail.html", context)


@org_page(Permission.API_KEYS_WRITE, nav="api_keys", methods=FORM)
def key_edit(request: PortalRequest, key_id: str) -> HttpResponse:
    """What of a key may change while it lives."""
    key = find_key(request, key_id)
    if key.has_ended:
        return redirect("api_key", request.organization.slug, key_id)
    form = ChangeKeyForm(request.POST if request.method == "POST" else None, request=request, key=key)
    if form.is_valid() and _change(request, form, key_id):
        return redirect("api_key", request.organization.slug, key_id)
    context = {
        "form": form,
        "key": presenting.facts(key, None),
        "access": access_of(form),
        "client_ip": own_address(request),
    }
    return render(request, "api_keys/edit.html", context, status=422 if form.errors else 200)


def _change(request: PortalRequest, form: ChangeKeyForm, key_id: str) -> bool:
    try:
        with transaction.atomic():
            form.spend()
            actions.update_key(actor=request.actor, key_id=key_id, **form.for_action())
    except AlreadySent:
        return True  # changed by the first of the two
    except PortalError as error:
        blame(form, error, FIELD_OF_ERROR)
        return False
    messages.success(request, _("Saved. The next call with the key is judged by it."))
    return True
