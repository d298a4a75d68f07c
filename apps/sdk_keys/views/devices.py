"""Freeing the place of a device by hand."""

import contextlib

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.base.errors import NotFound
from apps.base.pages import BUTTON, org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.sdk_keys import actions
from apps.sdk_keys.models import Activation
from apps.sdk_keys.views.one_key import find_key


@org_page(Permission.SDK_KEYS_WRITE, Permission.ACTIVATIONS_WRITE, nav="sdk_keys", methods=BUTTON)
def sdk_key_free(request: PortalRequest, sdk_key_id: str, activation_id: str) -> HttpResponse:
    """One click; a second one, or one after the device gave its place up, changes nothing and says the same."""
    key = find_key(request, sdk_key_id)
    rows = Activation.objects.for_actor(request.actor).filter(pool_id=key.pool_id)
    activation = rows.with_public_id(activation_id)
    with contextlib.suppress(NotFound):  # it is there, as was read above: freed before
        actions.free_activation(actor=request.actor, key_id=key.public_id, activation_id=activation.public_id)
    messages.success(request, _("The place is free. The device takes one again where its app activates it anew."))
    return redirect(reverse("sdk_key", args=[request.organization.slug, key.public_id]) + "#devices")
