"""The page that lists what a user or a key created, with the form that ends it."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.base.errors import NotFound, PortalError
from apps.base.requests import PortalRequest
from apps.base.web.forms import AlreadySubmitted, add_action_errors
from apps.base.web.pages import FORM_METHODS, org_page
from apps.credentials.descendants import MAX_PER_REQUEST, WRITE_PERMISSIONS, descendants_of, end_descendants
from apps.credentials.filters import CREATOR
from apps.credentials.lifecycle.forms import EndDescendantsForm
from apps.credentials.view_models import creator_name


@org_page(*WRITE_PERMISSIONS, nav="api_keys", methods=FORM_METHODS)
def created_by(request: PortalRequest, creator: str) -> HttpResponse:
    """List active objects that a user or a key created, and end the selected ones."""
    if not CREATOR.fullmatch(creator):
        raise NotFound()
    name = creator_name(request.actor, creator)
    found = descendants_of(request.actor, creator)
    shown = found[:MAX_PER_REQUEST]
    form = EndDescendantsForm(request.POST if request.method == "POST" else None, request=request, found=shown)
    if form.is_valid() and _end(request, form, creator):
        return _redirect(request, creator)
    context = {
        "form": form,
        "name": name,
        "is_key": creator.startswith("key_"),
        "creator": creator,
        "total": len(found),
        "shown": len(shown),
    }
    return render(request, "credentials/created_by.html", context, status=422 if form.errors else 200)


def _redirect(request: PortalRequest, creator: str) -> HttpResponse:
    """Redirect to this page while objects remain, else to the creator; a removed member has no page."""
    slug = request.organization.slug
    if descendants_of(request.actor, creator):
        return redirect("created_by", slug, creator)
    return redirect("api_key", slug, creator) if creator.startswith("key_") else redirect("members", slug)


def _end(request: PortalRequest, form: EndDescendantsForm, creator: str) -> bool:
    try:
        with transaction.atomic():
            form.consume_token()
            result = end_descendants(actor=request.actor, creator=creator, **form.action_arguments())
    except AlreadySubmitted:
        return True  # applied by the first submission
    except PortalError as error:
        add_action_errors(form, error)
        return False
    if result.ended:
        message = ngettext("%(count)d item no longer works.", "%(count)d items no longer work.", len(result.ended))
        messages.success(request, message % {"count": len(result.ended)})
    for descendant, why in result.kept:
        messages.error(request, _("“%(name)s” was not changed: %(why)s") % {"name": descendant.name, "why": why})
    return True
