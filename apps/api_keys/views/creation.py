"""S3 and S4: making a key, and the one answer that shows it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.api_keys import actions, presenting
from apps.api_keys.forms import FIELD_OF_ERROR, CreateKeyForm
from apps.api_keys.models import ApiKey, KeyType, Scope
from apps.base.answers import reveal
from apps.base.errors import PortalError, Text
from apps.base.forms import AlreadySent
from apps.base.pages import FORM, org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest


@org_page(Permission.API_KEYS_WRITE, nav="api_keys", methods=FORM)
def key_create(request: PortalRequest) -> HttpResponse:
    """S3 and S4: the form, and the one answer that shows the key."""
    types, scopes = list(KeyType.objects.for_customers()), list(Scope.objects.all())
    form = CreateKeyForm(
        request.POST or None,
        request=request,
        types=types,
        scopes=scopes,
        initial={"type": request.GET.get("type", "partner")},
    )
    if request.method == "POST" and form.is_valid():
        answer = _create(request, form)
        if answer is not None:
            return answer
    chosen = form.data.getlist("scopes") if form.is_bound else request.GET.getlist("scopes")
    context = {
        "form": form,
        "types": presenting.type_cards(request.actor, types),
        "scope_groups": presenting.scope_groups(types, scopes, set(chosen)),
        "client_ip": request.client_address,
    }
    return render(request, "api_keys/create.html", context, status=422 if form.errors else 200)


def _create(request: PortalRequest, form: CreateKeyForm) -> HttpResponse | None:
    try:
        with transaction.atomic():
            form.spend()
            key, text = actions.create_key(actor=request.actor, **form.for_action())
    except AlreadySent:
        return render(request, "api_keys/already_shown.html", status=409)
    except PortalError as error:
        _blame(form, error)
        return None
    return _reveal(request, key, text)


def _blame(form: CreateKeyForm, error: PortalError) -> None:
    blamed: Mapping[Any, Sequence[Text]] = error.fields or {None: [error.message]}
    for name, texts in blamed.items():
        field = FIELD_OF_ERROR.get(name or "", name)
        form.add_error(field if field in form.fields else None, [str(text) for text in texts])


def _reveal(request: PortalRequest, key: ApiKey, text: str) -> HttpResponse:
    context = {
        "secret": text,
        "key": {
            "name": key.name,
            "scopes": key.scopes,
            "networks": key.allowed_networks,
            "expires_at": key.expires_at,
        },
        "facts": [fact for fact in (_ends(key), ", ".join(key.scopes), ", ".join(key.allowed_networks)) if fact],
        "curl": f'curl {settings.PUBLIC_URL}/v1/me \\\n  -H "Authorization: Bearer {text}"',
        "env_line": f"PORTAL_API_KEY={text}",
        "close_url": reverse("api_key", args=[request.organization.slug, key.public_id]),
    }
    return reveal(request, "api_keys/reveal.html", context)


def _ends(key: ApiKey) -> str:
    if key.expires_at is None:
        return _("No expiry")
    return _("Expires %(date)s") % {"date": date_format(key.expires_at, "DATE_FORMAT")}
