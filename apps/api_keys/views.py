"""Pages of Settings → Integration → API keys."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db import transaction
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from apps.api_keys import actions, presenting, usage_figures
from apps.api_keys.draining import drain, is_draining
from apps.api_keys.forms import FIELD_OF_ERROR, CreateKeyForm, RevokeKeyForm
from apps.api_keys.least_privilege import Hint, hint
from apps.api_keys.models import ApiKey, KeyType, Scope
from apps.audit.models import LastUse
from apps.base.answers import reveal
from apps.base.errors import PortalError, Text
from apps.base.forms import AlreadySent
from apps.base.pages import FORM, org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.credentials.models import KeyStatus, SecretKeyQuerySet

PER_PAGE = 50


@org_page(Permission.API_KEYS_READ, nav="api_keys")
def key_list(request: PortalRequest) -> HttpResponse:
    """S2: the organization's keys, filtered by text, status and type."""
    mine = ApiKey.objects.for_actor(request.actor)
    q, status, kind = (request.GET.get(name, "").strip() for name in ("q", "status", "type"))
    rows = _filtered(mine.select_related("key_type"), q, status, kind).order_by("-pk")
    page: Page[Any] = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    page.object_list = presenting.key_rows(request.actor, list(page.object_list))
    types = KeyType.objects.for_customers()
    context = {
        "page_obj": page,
        "q": q,
        "status": status,
        "type": kind,
        "statuses": [{"value": value, "label": label} for value, label in reversed(KeyStatus.choices)],
        "types": [{"value": each.name, "label": each.title_text} for each in types],
        "filtered": bool(q or status or kind),
        "used": mine.live().count(),
        "cap": None,
    }
    return render(request, "api_keys/list.html", context)


def _filtered(rows: SecretKeyQuerySet[ApiKey], q: str, status: str, kind: str) -> SecretKeyQuerySet[ApiKey]:
    if status in KeyStatus.values:
        rows = rows.in_status(status)
    if kind:
        rows = rows.filter(key_type__name=kind)
    text = q.removeprefix("ipk_")
    return rows.filter(Q(name__icontains=q) | Q(key_id__startswith=text[:12]) | Q(last_four=q[-4:])) if q else rows


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


@org_page(Permission.API_KEYS_READ, nav="api_keys")
def key_detail(request: PortalRequest, key_id: str) -> HttpResponse:
    """S5: one key, its use and its history."""
    key = ApiKey.objects.for_actor(request.actor).select_related("key_type").with_public_id(key_id)
    return render(request, "api_keys/detail.html", presenting.detail(request.actor, key, request.organization.slug))


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


# Usage


@org_page(Permission.API_KEYS_READ, Permission.USAGE_READ, nav="api_keys")
def key_usage(request: PortalRequest, key_id: str) -> HttpResponse:
    """What a key was used for, by whom and how it went; and what it could do without."""
    key = _key(request, key_id)
    now = timezone.now()
    context = {
        "key": presenting.facts(key, LastUse.objects.filter(pk=key.pk).first(), now),
        "draining": is_draining(key),
        **usage_figures.key_page(request.actor, key, request.GET.get("span", ""), now),
        **_narrower(request, key, hint(request.actor, key, now)),
    }
    return render(request, "api_keys/usage.html", context)


def _narrower(request: PortalRequest, key: ApiKey, found: Hint | None) -> dict[str, Any]:
    """Return the hint, and where a key is made with no more than was used: for those who may make one."""
    if found is None or not request.actor.can(Permission.API_KEYS_WRITE):
        return {"hint": found, "narrower_url": ""}
    query = urlencode({"type": key.key_type.name, "scopes": found.enough}, doseq=True)
    return {"hint": found, "narrower_url": reverse("api_key_create", args=[request.organization.slug]) + "?" + query}


@org_page(Permission.API_KEYS_READ, Permission.USAGE_READ, nav="api_keys")
def key_drain(request: PortalRequest, key_id: str) -> HttpResponse:
    """Who still calls with a key that a newer one replaces."""
    key = _key(request, key_id)
    if not is_draining(key):
        return redirect("api_key", request.organization.slug, key_id)
    now = timezone.now()
    context = {
        "key": presenting.facts(key, LastUse.objects.filter(pk=key.pk).first(), now),
        "drain": drain(request.actor, key, now),
        "successor": getattr(key, "replaced_by", None),
    }
    return render(request, "api_keys/drain.html", context)


def _key(request: PortalRequest, key_id: str) -> ApiKey:
    rows = ApiKey.objects.for_actor(request.actor).select_related("key_type", "replaced_by")
    return rows.with_public_id(key_id)


@org_page(Permission.USAGE_READ, nav="api_keys")
def usage(request: PortalRequest) -> HttpResponse:
    """What all keys of the organization were used for."""
    page = usage_figures.organization_page(request.actor, request.GET.get("span", ""), timezone.now())
    return render(request, "api_keys/usage_of_all.html", page)
