"""S6: bringing a key into another state."""

from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.api_keys import actions, presenting
from apps.api_keys.forms import RevokeKeyForm
from apps.api_keys.models import ApiKey
from apps.base.forms import AlreadySent
from apps.base.pages import FORM, org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.credentials.models import KeyStatus


@org_page(Permission.API_KEYS_WRITE, nav="api_keys", methods=FORM)
def key_revoke(request: PortalRequest, key_id: str) -> HttpResponse:
    """S6: what a revocation will break, then the revocation."""
    key = ApiKey.objects.for_actor(request.actor).select_related("key_type").with_public_id(key_id)
    if key.status in (KeyStatus.REVOKED, KeyStatus.EXPIRED):
        return redirect("api_key", request.organization.slug, key_id)
    harm: dict[str, Any] = presenting.harm(request.actor, key)
    form = RevokeKeyForm(request.POST or None, request=request, key_name=key.name, recently_used=harm["recently_used"])
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                form.spend()
                actions.revoke_key(actor=request.actor, key_id=key_id)
        except AlreadySent:
            pass  # revoked by the first of the two
        return redirect("api_key", request.organization.slug, key_id)
    return render(request, "api_keys/revoke.html", {"form": form, **harm}, status=422 if form.errors else 200)
