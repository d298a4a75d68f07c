"""Create a key in two steps, and show it once."""

from functools import partial
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from apps.api_keys import actions
from apps.api_keys.forms import FIELD_OF_ERROR, CreateKeyForm
from apps.api_keys.models import ApiKey, KeyType
from apps.api_keys.view_models import prefilled
from apps.api_keys.view_models.type_cards import Offer, type_card, type_cards
from apps.api_keys.views.kind import KEYS
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.pages import FORM, org_page
from apps.credentials.lifecycle.pages import issue_and_show


@org_page(Permission.API_KEYS_WRITE, nav="api_keys", methods=FORM)
def key_create(request: PortalRequest) -> HttpResponse:
    """Ask for the type, then for the settings, then show the new key once."""
    offer, source = Offer.for_actor(request.actor), _source(request)
    asked = request.POST.get("type") or request.GET.get("type") or (source.key_type.name if source else "")
    kind = offer.find(asked)
    if kind is None:
        return _ask_for_type(request, offer, asked)
    if request.method != "POST" and offer.refusal(kind):
        return _explain(request, offer, kind)
    if request.method == "POST":
        form = CreateKeyForm(request.POST, request=request, offer=offer, kind=kind)
    else:
        form = CreateKeyForm(request=request, offer=offer, kind=kind, initial=_proposal(request, offer, kind, source))
    if form.is_valid():
        answer = _create(request, form)
        if answer is not None:
            return answer
    return _ask_for_settings(request, form, source)


def _source(request: PortalRequest) -> ApiKey | None:
    """Return the key to copy the settings from; raise NotFound for a key of another organization."""
    key_id = request.GET.get("from")
    if not key_id:
        return None
    key: ApiKey = ApiKey.objects.for_actor(request.actor).select_related("key_type").with_public_id(key_id)
    return key


def _proposal(request: PortalRequest, offer: Offer, kind: KeyType, source: ApiKey | None) -> dict[str, Any]:
    scope_choices = offer.scope_choices(kind)
    if source is not None:
        return prefilled.copy_of(scope_choices, source, kind, offer.longest_days(kind))
    return {
        "name": request.GET.get("name", "")[:100],
        **prefilled.initial_scopes(scope_choices, request.GET.getlist("scopes")),
    }


def _ask_for_type(request: PortalRequest, offer: Offer, asked: str) -> HttpResponse:
    missing = _("There is no such type of key here: choose one of these.") if asked else ""
    if request.method == "POST" and not asked:
        missing = _("Choose the type of the key.")
    context = {"types": type_cards(offer), "missing": missing}
    return render(request, "api_keys/create_type.html", context, status=422 if request.method == "POST" else 200)


def _explain(request: PortalRequest, offer: Offer, kind: KeyType) -> HttpResponse:
    return render(request, "api_keys/create_refused.html", {"type": type_card(offer, kind)})


def _ask_for_settings(request: PortalRequest, form: CreateKeyForm, source: ApiKey | None) -> HttpResponse:
    context = {
        "form": form,
        "type": type_card(form.offer, form.kind),
        "action": f"{request.path}?{urlencode({'type': form.kind.name})}",
        **form.extra_context(),
        "source": source,
        "lost": prefilled.ungrantable_scopes(form.scope_choices, source.scopes) if source else [],
    }
    return render(request, "api_keys/create.html", context, status=422 if form.errors else 200)


def _create(request: PortalRequest, form: CreateKeyForm) -> HttpResponse | None:
    make = partial(actions.create_key, actor=request.actor, **form.for_action())
    name = form.cleaned_data["name"].strip()
    made_before = KEYS.rows(request.actor).filter(created_by_id=request.actor.id, name=name)
    return issue_and_show(request, KEYS, form, make, made_before, "api_keys", FIELD_OF_ERROR)
