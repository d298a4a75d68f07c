"""S4: making an SDK key, and the one answer that shows it."""

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.base.answers import reveal
from apps.base.errors import PortalError
from apps.base.forms import AlreadySent, blame
from apps.base.pages import FORM, org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.credentials.forms import FIELDS_OF_LIFETIME
from apps.credentials.presenting import shown_before
from apps.sdk_keys import actions, presenting
from apps.sdk_keys.forms import CreateSdkKeyForm
from apps.sdk_keys.models import Platform, SdkKey


@org_page(Permission.SDK_KEYS_WRITE, nav="sdk_keys", methods=FORM)
def sdk_key_create(request: PortalRequest, platform: str) -> HttpResponse:
    """What a key of the platform needs, then S4, the key."""
    data = request.POST if request.method == "POST" else None
    form = CreateSdkKeyForm(data, request=request, platform=Platform(platform))
    if form.is_valid():
        answer = _create(request, form)
        if answer is not None:
            return answer
    context = {
        "form": form,
        "platform": platform,
        "platform_word": Platform(platform).label,
        "list_url": reverse(f"sdk_keys_{platform}", args=[request.organization.slug]),
        "list_label": _("SDK keys"),
    }
    return render(request, "sdk_keys/create.html", context, status=422 if form.errors else 200)


def _create(request: PortalRequest, form: CreateSdkKeyForm) -> HttpResponse | None:
    try:
        with transaction.atomic():
            form.spend()
            key, text = actions.create_sdk_key(actor=request.actor, **form.for_action())
    except AlreadySent:
        made = SdkKey.objects.for_actor(request.actor).filter(created_by_id=request.actor.id, platform=form.platform)
        made = made.filter(name=form.cleaned_data["name"].strip())
        return already_shown(request, made.order_by("-pk").first(), form.platform)
    except PortalError as error:
        blame(form, error, FIELDS_OF_LIFETIME)
        return None
    return show_once(request, key, text)


def show_once(request: PortalRequest, key: SdkKey, text: str) -> HttpResponse:
    """This will show a key's text in the answer to the request that made it, and never again."""
    close_url = reverse("sdk_key", args=[request.organization.slug, key.public_id])
    return reveal(request, "sdk_keys/reveal.html", {**presenting.revealed(key, text), "close_url": close_url})


def already_shown(request: PortalRequest, key: SdkKey | None, platform: str) -> HttpResponse:
    """This will answer a form that came twice: no second key, and no second look at the first."""
    context = {
        **shown_before(request, key, "sdk_key", "sdk_key_rotate"),
        "list_url": reverse(f"sdk_keys_{platform}", args=[request.organization.slug]),
        "list_label": _("All SDK keys"),
    }
    return render(request, "credentials/already_shown.html", context, status=409)
