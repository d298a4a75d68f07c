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
from apps.api_keys.view_models.type_cards import KeyTypeOptions, type_card, type_cards
from apps.api_keys.views.key_pages import API_KEY_PAGES
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.pages import FORM_METHODS, org_page
from apps.credentials.lifecycle.pages import issue_and_show


@org_page(Permission.API_KEYS_WRITE, nav="api_keys", methods=FORM_METHODS)
def key_create(request: PortalRequest) -> HttpResponse:
    """Ask for the type, then for the settings, then show the new key once."""
    type_options, source = KeyTypeOptions.for_actor(request.actor), _source(request)
    asked = request.POST.get("type") or request.GET.get("type") or (source.key_type.name if source else "")
    key_type = type_options.find(asked)
    if key_type is None:
        return _ask_for_type(request, type_options, asked)
    if request.method != "POST" and type_options.refusal(key_type):
        return _render_refusal(request, type_options, key_type)
    if request.method == "POST":
        form = CreateKeyForm(request.POST, request=request, type_options=type_options, key_type=key_type)
    else:
        form = CreateKeyForm(
            request=request,
            type_options=type_options,
            key_type=key_type,
            initial=_initial_values(request, type_options, key_type, source),
        )
    if form.is_valid():
        response = _create(request, form)
        if response is not None:
            return response
    return _ask_for_settings(request, form, source)


def _source(request: PortalRequest) -> ApiKey | None:
    """Return the key to copy the settings from; raise NotFound for a key of another organization."""
    key_id = request.GET.get("from")
    if not key_id:
        return None
    key: ApiKey = ApiKey.objects.for_actor(request.actor).select_related("key_type").with_public_id(key_id)
    return key


def _initial_values(
    request: PortalRequest, type_options: KeyTypeOptions, key_type: KeyType, source: ApiKey | None
) -> dict[str, Any]:
    scope_choices = type_options.scope_choices(key_type)
    if source is not None:
        return prefilled.copy_of(scope_choices, source, key_type, type_options.max_lifetime_days(key_type))
    return {
        "name": request.GET.get("name", "")[:100],
        **prefilled.initial_scopes(scope_choices, request.GET.getlist("scopes")),
    }


def _ask_for_type(request: PortalRequest, type_options: KeyTypeOptions, asked: str) -> HttpResponse:
    missing = _("There is no such type of key here: choose one of these.") if asked else ""
    if request.method == "POST" and not asked:
        missing = _("Choose the type of the key.")
    context = {"types": type_cards(type_options), "missing": missing}
    return render(request, "api_keys/create_type.html", context, status=422 if request.method == "POST" else 200)


def _render_refusal(request: PortalRequest, type_options: KeyTypeOptions, key_type: KeyType) -> HttpResponse:
    return render(request, "api_keys/create_refused.html", {"type": type_card(type_options, key_type)})


def _ask_for_settings(request: PortalRequest, form: CreateKeyForm, source: ApiKey | None) -> HttpResponse:
    context = {
        "form": form,
        "type": type_card(form.type_options, form.key_type),
        "action": f"{request.path}?{urlencode({'type': form.key_type.name})}",
        **form.extra_context(),
        "source": source,
        "lost": prefilled.ungrantable_scopes(form.scope_choices, source.scopes) if source else [],
    }
    return render(request, "api_keys/create.html", context, status=422 if form.errors else 200)


def _create(request: PortalRequest, form: CreateKeyForm) -> HttpResponse | None:
    issue = partial(actions.create_key, actor=request.actor, **form.action_arguments())
    name = form.cleaned_data["name"].strip()
    existing = API_KEY_PAGES.rows(request.actor).filter(created_by_id=request.actor.id, name=name)
    return issue_and_show(request, API_KEY_PAGES, form, issue, existing, "api_keys", FIELD_OF_ERROR)
