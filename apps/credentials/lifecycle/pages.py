"""The pages that change a key, for all kinds: edit, rotate, disable, enable, release, revoke.

An app with a kind of key configures them by ``KeyPages`` and mounts them in its ``urls.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from apps.audit.models import LastUse
from apps.base.actor import Actor
from apps.base.errors import PortalError
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.forms import AlreadySubmitted, StepUpForm, add_action_errors
from apps.base.web.one_time_secrets import one_time_secret_response
from apps.base.web.pages import FORM_METHODS, org_page
from apps.credentials.key_status import CHANGES
from apps.credentials.lifecycle import transitions
from apps.credentials.lifecycle.forms import (
    ConfirmForm,
    DisableKeyForm,
    KeyChangeForm,
    RevokeKeyForm,
    RotateKeyForm,
    try_change,
)
from apps.credentials.models import SecretKey
from apps.credentials.view_models import duplicate_submission, overlap_context

Context = dict[str, Any]


class ViewModels(Protocol):
    """The view model functions of one kind of key, implemented by a module."""

    def facts(self, key: Any, use: LastUse | None, /) -> Context:
        """Return the context about a key on every page."""

    def impact(self, actor: Actor, key: Any, /) -> Context:
        """Return the context about what revoking a key would break."""

    def secret_context(self, key: Any, plaintext: str, /) -> Context:
        """Return the context of the page that shows a new key once."""


@dataclass(frozen=True, slots=True)
class KeyPages:
    """The configuration of the pages of one kind of key.

    ``name``: the route of a key's page; ``{name}_rotate`` and so on are the routes of the pages that change it.
    ``actions``: by the names of the pages; each takes ``actor`` and ``key_id``. ``list_route``: that of a key's list.
    """

    name: str
    model: type[SecretKey]
    actions: Mapping[str, Callable[..., Any]]
    expiry_of_successor: Callable[[Any], datetime | None]
    view_models: ViewModels
    change_form: Callable[..., KeyChangeForm]
    list_route: Callable[[Any], str]
    list_label: Promise
    released_message: Promise

    @property
    def section(self) -> str:
        """The item of the side navigation and the template folder."""
        return f"{self.name}s"

    def rows(self, actor: Actor) -> Any:
        """Return the keys of the actor's organization with their related objects."""
        return self.model.objects.for_actor(actor).with_related()

    def find(self, request: PortalRequest, key_id: str) -> Any:
        """Return a key of the organization in the path, or raise NotFound."""
        return self.rows(request.actor).with_public_id(key_id)


def lifecycle_urls(one_key: str, keys: KeyPages, permission: Permission) -> list[URLPattern]:
    """Return the routes of the pages that change a key; ``one_key``: the path of a key's page."""
    decorator = org_page(permission, nav=keys.section, methods=FORM_METHODS)
    return [
        path(
            f"{one_key}{change_name}/",
            decorator(partial(_serve_if_applicable, keys, change_name)),
            name=f"{keys.name}_{change_name}",
        )
        for change_name in PAGES
    ]


def _serve_if_applicable(keys: KeyPages, change_name: str, request: PortalRequest, **ids: str) -> HttpResponse:
    """Serve a page, or redirect to the key's page where its state does not allow the change."""
    (key_id,) = ids.values()
    key = keys.find(request, key_id)
    is_possible = CHANGES[change_name].applies_to(key) if change_name in CHANGES else not key.is_revoked_or_expired
    return PAGES[change_name](request, keys, key) if is_possible else _redirect_to_key(request, keys, key)


def edit(request: PortalRequest, keys: KeyPages, key: SecretKey) -> HttpResponse:
    """Show the edit form, then save."""
    form = keys.change_form(_post_data(request), request=request, key=key)
    if form.is_valid() and try_change(form, keys.actions["update"], key, form.field_names, **form.action_arguments()):
        return _redirect_to_key(request, keys, key, _("Saved. The next call with the key is judged by it."))
    return _render_form(request, keys, "edit", form, {"key": keys.view_models.facts(key, None), **form.extra_context()})


def rotate(request: PortalRequest, keys: KeyPages, key: SecretKey) -> HttpResponse:
    """Ask for the overlap, then show the new key."""
    form = RotateKeyForm(_post_data(request), request=request)
    if form.is_valid():
        issue = partial(
            keys.actions["rotate"],
            actor=request.actor,
            key_id=key.public_id,
            overlap_seconds=form.overlap_seconds,
        )
        existing = keys.rows(request.actor).filter(replaces=key)
        field_names = {"overlap_seconds": "overlap"}
        response = issue_and_show(request, keys, form, issue, existing, keys.list_route(key), field_names)
        if response is not None:
            return response
    context = {
        **keys.view_models.impact(request.actor, key),
        **overlap_context(key, timezone.now()),
        "new_expires_at": keys.expiry_of_successor(key),
    }
    return _render_form(request, keys, "rotate", form, context)


def disable(request: PortalRequest, keys: KeyPages, key: SecretKey) -> HttpResponse:
    """Ask for a reason, then disable the key."""
    form = DisableKeyForm(_post_data(request), request=request)
    if form.is_valid() and try_change(form, keys.actions["disable"], key, reason=form.cleaned_data["reason"]):
        return _redirect_to_key(request, keys, key, _("“%(name)s” is disabled. Calls with it are refused."))
    return _render_form(request, keys, "disable", form, keys.view_models.impact(request.actor, key))


def enable(request: PortalRequest, keys: KeyPages, key: SecretKey) -> HttpResponse:
    """Enable a disabled key with one click."""
    message = _("“%(name)s” works again, from its next call on.")
    return _apply_without_form(request, keys, key, "enable", message)


def release(request: PortalRequest, keys: KeyPages, key: SecretKey) -> HttpResponse:
    """Release a key from quarantine with one click."""
    return _apply_without_form(request, keys, key, "release", str(keys.released_message))


def revoke(request: PortalRequest, keys: KeyPages, key: SecretKey) -> HttpResponse:
    """Show what the revocation would break, then revoke the key."""
    impact = keys.view_models.impact(request.actor, key)
    form = RevokeKeyForm(
        _post_data(request),
        request=request,
        key_name=key.name,
        recently_used=impact["recently_used"],
        successors=transitions.self_issued_successors(key),
    )
    if form.is_valid() and try_change(form, keys.actions["revoke"], key, **form.action_arguments()):
        return _redirect_to_key(request, keys, key, _("“%(name)s” is revoked. Its next call is refused."))
    return _render_form(request, keys, "revoke", form, {"danger": True, **impact})


PAGES = {
    "edit": edit, "rotate": rotate, "disable": disable, "enable": enable, "release": release, "revoke": revoke
}  # fmt: skip


def issue_and_show(
    request: PortalRequest,
    keys: KeyPages,
    form: StepUpForm,
    issue: Callable[[], tuple[Any, str]],
    existing: QuerySet[Any],
    list_route: str,
    field_names: Mapping[str, str],
) -> HttpResponse | None:
    """Issue a key and show it once; add the errors to the form and return None where the action refuses.

    ``existing``: finds the key where the form was already submitted.
    """
    try:
        with transaction.atomic():
            form.consume_token()
            key, plaintext = issue()
    except AlreadySubmitted:
        return _already_shown(request, keys, existing.order_by("-pk").first(), list_route)
    except PortalError as error:
        add_action_errors(form, error, field_names)
        return None
    close_url = reverse(keys.name, args=[request.organization.slug, key.public_id])
    context = {**keys.view_models.secret_context(key, plaintext), "close_url": close_url}
    return one_time_secret_response(request, f"{keys.section}/reveal.html", context)


def _already_shown(request: PortalRequest, keys: KeyPages, key: SecretKey | None, list_route: str) -> HttpResponse:
    """Respond to a form that was submitted twice: the key is neither issued nor shown again."""
    context = {
        **duplicate_submission(request, key, keys.name, f"{keys.name}_rotate"),
        "list_url": reverse(list_route, args=[request.organization.slug]),
        "list_label": keys.list_label,
    }
    return render(request, "credentials/already_shown.html", context, status=409)


def _post_data(request: PortalRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _redirect_to_key(request: PortalRequest, keys: KeyPages, key: SecretKey, message: str = "") -> HttpResponse:
    if message:
        messages.success(request, message % {"name": key.name})
    return redirect(keys.name, request.organization.slug, key.public_id)


def _render_form(
    request: PortalRequest, keys: KeyPages, change_name: str, form: StepUpForm, context: Context
) -> HttpResponse:
    context = {"form": form, **context}
    return render(request, f"{keys.section}/{change_name}.html", context, status=422 if form.errors else 200)


def _apply_without_form(
    request: PortalRequest, keys: KeyPages, key: SecretKey, change_name: str, message: str
) -> HttpResponse:
    """Apply the change where step-up confirmation is recent, else ask for it."""
    form = ConfirmForm.of(request)
    if form.is_valid() and try_change(form, keys.actions[change_name], key):
        return _redirect_to_key(request, keys, key, message)
    return _render_form(request, keys, change_name, form, {"key": keys.view_models.facts(key, None)})
