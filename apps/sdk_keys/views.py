"""Pages of Settings → Integration → SDK keys: lists, creation, one key and its devices."""

import contextlib
import logging
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db import DatabaseError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.base.errors import NotFound
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.pages import FORM_METHODS, POST_ONLY, org_page
from apps.credentials.lifecycle.forms import LIFETIME_FIELDS, one_click_actions
from apps.credentials.lifecycle.pages import KeyPages, issue_and_show
from apps.credentials.view_models import creator_options
from apps.sdk_keys import actions, view_models
from apps.sdk_keys.forms import ChangeSdkKeyForm, CreateSdkKeyForm
from apps.sdk_keys.models import Activation, Platform, SdkKey

PER_PAGE = 50
# Buttons that change the key with one click.
ONE_CLICK_ROUTES = {"enable": "sdk_key_enable", "release": "sdk_key_release"}
logger = logging.getLogger(__name__)


def _list_route(key: SdkKey) -> str:
    return f"sdk_keys_{key.platform}"


# Configures the pages that change an SDK key.
SDK_KEY_PAGES = KeyPages(
    name="sdk_key",
    model=SdkKey,
    actions=actions.KEY_ACTIONS,
    expiry_of_successor=actions.expiry_of_successor,
    view_models=view_models,
    change_form=ChangeSdkKeyForm,
    list_route=_list_route,
    list_label=gettext_lazy("All SDK keys"),
    released_message=gettext_lazy("“%(name)s” is released: new devices can be activated with it again."),
)


@org_page(Permission.SDK_KEYS_READ, nav="sdk_keys")
def sdk_keys(request: PortalRequest) -> HttpResponse:
    """Redirect to the first list."""
    return redirect("sdk_keys_ios", request.organization.slug)


@org_page(Permission.SDK_KEYS_READ, nav="sdk_keys")
def sdk_key_list(request: PortalRequest, platform: str) -> HttpResponse:
    """Show the organization's keys of one platform."""
    slug, creator = request.organization.slug, request.GET.get("created_by", "").strip()
    context = {
        "created_by": creator,
        "platform": platform,
        "platform_word": Platform(platform).label,
        "create_url": reverse(f"sdk_key_create_{platform}", args=[slug]),
    }
    try:
        keys = SdkKey.objects.for_actor(request.actor)
        rows = view_models.listed_keys(keys, platform, creator)
        page: Page[Any] = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
        page.object_list = view_models.key_rows(list(page.object_list))
        context |= {"page_obj": page, "tabs": view_models.tabs(request.actor, slug, platform)}
        context["creators"] = creator_options(keys.listed().filter(platform=platform), creator)
    except DatabaseError:
        logger.exception("the list of SDK keys could not be read")
        return render(request, "sdk_keys/list.html", {**context, "load_error": True}, status=503)
    return render(request, "sdk_keys/list.html", context)


@org_page(Permission.SDK_KEYS_WRITE, nav="sdk_keys", methods=FORM_METHODS)
def sdk_key_create(request: PortalRequest, platform: str) -> HttpResponse:
    """Ask for the settings of a key, then show the new key once."""
    data = request.POST if request.method == "POST" else None
    form = CreateSdkKeyForm(data, request=request, platform=Platform(platform))
    if form.is_valid():
        response = _create(request, form)
        if response is not None:
            return response
    context = {
        "form": form,
        "platform": platform,
        "platform_word": Platform(platform).label,
        "list_url": reverse(f"sdk_keys_{platform}", args=[request.organization.slug]),
        "list_label": _("SDK keys"),
    }
    return render(request, "sdk_keys/create.html", context, status=422 if form.errors else 200)


def _create(request: PortalRequest, form: CreateSdkKeyForm) -> HttpResponse | None:
    issue = partial(actions.create_sdk_key, actor=request.actor, **form.action_arguments())
    existing = SDK_KEY_PAGES.rows(request.actor).filter(
        created_by_id=request.actor.id, platform=form.platform, name=form.cleaned_data["name"].strip()
    )
    return issue_and_show(request, SDK_KEY_PAGES, form, issue, existing, f"sdk_keys_{form.platform}", LIFETIME_FIELDS)


@org_page(Permission.SDK_KEYS_READ, nav="sdk_keys")
def sdk_key_detail(request: PortalRequest, sdk_key_id: str) -> HttpResponse:
    """Show a key with its devices, code snippet and history."""
    key = SDK_KEY_PAGES.find(request, sdk_key_id)
    show = request.GET.get("show", "")
    context = {
        **view_models.detail(request.actor, key),
        **view_models.devices(request.actor, key, show, request.GET.get("cursor", "")),
        "device_tabs": view_models.device_tabs(show, request.path),
        "clicks": one_click_actions(request, key, ONE_CLICK_ROUTES, Permission.SDK_KEYS_WRITE),
        "can_deactivate": request.actor.can(Permission.SDK_KEYS_WRITE)
        or request.actor.can(Permission.ACTIVATIONS_WRITE),
    }
    return render(request, "sdk_keys/detail.html", context)


@org_page(Permission.SDK_KEYS_WRITE, Permission.ACTIVATIONS_WRITE, nav="sdk_keys", methods=POST_ONLY)
def sdk_key_deactivate_device(request: PortalRequest, sdk_key_id: str, activation_id: str) -> HttpResponse:
    """Deactivate a device; the message is the same where it was already deactivated."""
    key = SDK_KEY_PAGES.find(request, sdk_key_id)
    rows = Activation.objects.for_actor(request.actor).filter(pool_id=key.pool_id)
    activation = rows.with_public_id(activation_id)
    with contextlib.suppress(NotFound):  # already deactivated
        actions.deactivate_activation(actor=request.actor, key_id=key.public_id, activation_id=activation.public_id)
    messages.success(request, _("The place is free. The device takes one again where its app activates it anew."))
    return redirect(reverse("sdk_key", args=[request.organization.slug, key.public_id]) + "#devices")
