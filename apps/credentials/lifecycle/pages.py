"""The pages of a key's life, once for keys of every kind: edit, rotate, disable, enable, release, revoke.

An app that keeps a kind of key says what is particular to it in ``KeyPages`` and mounts the pages in its ``urls.py``.
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
from apps.base.web.forms import AlreadySent, StepUpForm, add_action_errors
from apps.base.web.one_time_secrets import one_time_secret_response
from apps.base.web.pages import FORM, org_page
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
    """What pages show of keys of one kind: a module has these functions."""

    def facts(self, key: Any, use: LastUse | None, /) -> Context:
        """Return what every page says of a key."""

    def impact(self, actor: Actor, key: Any, /) -> Context:
        """Return what ending a key would break."""

    def secret_context(self, key: Any, text: str, /) -> Context:
        """Return what stands beside the text of a new key."""


@dataclass(frozen=True, slots=True)
class KeyPages:
    """What is particular to the pages of one kind of key.

    ``name`` is that of the page of one key; with ``_rotate`` and the like behind it, of those that change the key.
    ``actions`` go by these words, and take ``actor`` and ``key_id``. ``list_route``: that of the list a key stands in.
    """

    name: str
    model: type[SecretKey]
    actions: Mapping[str, Callable[..., Any]]
    expiry_of_successor: Callable[[Any], datetime | None]
    view_models: ViewModels
    change_form: Callable[..., KeyChangeForm]
    list_route: Callable[[Any], str]
    list_label: Promise
    released: Promise

    @property
    def section(self) -> str:
        """The item of the side navigation, and the folder of the templates."""
        return f"{self.name}s"

    def rows(self, actor: Actor) -> Any:
        """Return the keys of the actor's organization, with what pages show of them."""
        return self.model.objects.for_actor(actor).with_related()

    def find(self, request: PortalRequest, key_id: str) -> Any:
        """Return a key of the organization in the path, or raise NotFound."""
        return self.rows(request.actor).with_public_id(key_id)


def lifecycle_urls(one_key: str, keys: KeyPages, permission: Permission) -> list[URLPattern]:
    """Return the routes of the pages that change a key; ``one_key``: the path of its page, which names its id."""
    guard = org_page(permission, nav=keys.section, methods=FORM)
    return [
        path(f"{one_key}{word}/", guard(partial(_unless_ended, keys, page)), name=f"{keys.name}_{word}")
        for word, page in PAGES.items()
    ]


def _unless_ended(keys: KeyPages, page: Callable[..., HttpResponse], request: PortalRequest, **ids: str) -> Any:
    """Lead to the key's own page where nothing of it may change any more."""
    (key_id,) = ids.values()
    key = keys.find(request, key_id)
    return _back(request, keys, key) if key.has_ended else page(request, keys, key)


def edit(request: PortalRequest, keys: KeyPages, key: SecretKey) -> HttpResponse:
    """Change what of a key may change while it lives."""
    form = keys.change_form(_sent(request), request=request, key=key)
    if form.is_valid() and try_change(form, keys.actions["update"], key, form.field_names, **form.for_action()):
        return _back(request, keys, key, _("Saved. The next call with the key is judged by it."))
    return _ask(request, keys, "edit", form, {"key": keys.view_models.facts(key, None), **form.extra_context()})


def rotate(request: PortalRequest, keys: KeyPages, key: SecretKey) -> HttpResponse:
    """Ask how long the old key goes on working, then show the new one."""
    form = RotateKeyForm(_sent(request), request=request)
    if form.is_valid():
        make = partial(
            keys.actions["rotate"],
            actor=request.actor,
            key_id=key.public_id,
            overlap_seconds=form.overlap_seconds,
        )
        made_before = keys.rows(request.actor).filter(replaces=key)
        answer = issue_and_show(
            request, keys, form, make, made_before, keys.list_route(key), {"overlap_seconds": "overlap"}
        )
        if answer is not None:
            return answer
    context = {
        **keys.view_models.impact(request.actor, key),
        **overlap_context(key, timezone.now()),
        "new_expires_at": keys.expiry_of_successor(key),
    }
    return _ask(request, keys, "rotate", form, context)


def disable(request: PortalRequest, keys: KeyPages, key: SecretKey) -> HttpResponse:
    """Switch a key off until somebody switches it on again."""
    if not CHANGES["disable"].applies_to(key):
        return _back(request, keys, key)
    form = DisableKeyForm(_sent(request), request=request)
    if form.is_valid() and try_change(form, keys.actions["disable"], key, reason=form.cleaned_data["reason"]):
        return _back(request, keys, key, _("“%(name)s” is disabled. Calls with it are refused."))
    return _ask(request, keys, "disable", form, keys.view_models.impact(request.actor, key))


def enable(request: PortalRequest, keys: KeyPages, key: SecretKey) -> HttpResponse:
    """Switch a disabled key on again, at one click."""
    if not CHANGES["enable"].applies_to(key):
        return _back(request, keys, key)
    done = _("“%(name)s” works again, from its next call on.")
    return _at_one_click(request, keys, key, "enable", done)


def release(request: PortalRequest, keys: KeyPages, key: SecretKey) -> HttpResponse:
    """Release a key that was set aside, at one click."""
    if not CHANGES["release"].applies_to(key):
        return _back(request, keys, key)
    return _at_one_click(request, keys, key, "release", str(keys.released))


def revoke(request: PortalRequest, keys: KeyPages, key: SecretKey) -> HttpResponse:
    """Show what a revocation will break, then revoke."""
    impact = keys.view_models.impact(request.actor, key)
    form = RevokeKeyForm(
        _sent(request),
        request=request,
        key_name=key.name,
        recently_used=impact["recently_used"],
        successors=transitions.own_successors(key),
    )
    if form.is_valid() and try_change(form, keys.actions["revoke"], key, **form.for_action()):
        return _back(request, keys, key, _("“%(name)s” is revoked. Its next call is refused."))
    return _ask(request, keys, "revoke", form, {"danger": True, **impact})


PAGES = {
    "edit": edit, "rotate": rotate, "disable": disable, "enable": enable, "release": release, "revoke": revoke
}  # fmt: skip


def issue_and_show(
    request: PortalRequest,
    keys: KeyPages,
    form: StepUpForm,
    make: Callable[[], tuple[Any, str]],
    made_before: QuerySet[Any],
    list_route: str,
    field_names: Mapping[str, str],
) -> HttpResponse | None:
    """Make a key and show its text, once; None where the action refuses, which the form then says.

    ``made_before``: finds the key, should the form have been sent before.
    """
    try:
        with transaction.atomic():
            form.consume_token()
            key, text = make()
    except AlreadySent:
        return _already_shown(request, keys, made_before.order_by("-pk").first(), list_route)
    except PortalError as error:
        add_action_errors(form, error, field_names)
        return None
    close_url = reverse(keys.name, args=[request.organization.slug, key.public_id])
    context = {**keys.view_models.secret_context(key, text), "close_url": close_url}
    return one_time_secret_response(request, f"{keys.section}/reveal.html", context)


def _already_shown(request: PortalRequest, keys: KeyPages, key: SecretKey | None, list_route: str) -> HttpResponse:
    """Answer a form that came twice: no second key, and no second look at the first."""
    context = {
        **duplicate_submission(request, key, keys.name, f"{keys.name}_rotate"),
        "list_url": reverse(list_route, args=[request.organization.slug]),
        "list_label": keys.list_label,
    }
    return render(request, "credentials/already_shown.html", context, status=409)


def _sent(request: PortalRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _back(request: PortalRequest, keys: KeyPages, key: SecretKey, done: str = "") -> HttpResponse:
    if done:
        messages.success(request, done % {"name": key.name})
    return redirect(keys.name, request.organization.slug, key.public_id)


def _ask(request: PortalRequest, keys: KeyPages, word: str, form: StepUpForm, context: Context) -> HttpResponse:
    context = {"form": form, **context}
    return render(request, f"{keys.section}/{word}.html", context, status=422 if form.errors else 200)


def _at_one_click(request: PortalRequest, keys: KeyPages, key: SecretKey, word: str, done: str) -> HttpResponse:
    """Do it at once where who is there was confirmed lately; else the page asks."""
    form = ConfirmForm.of(request)
    if form.is_valid() and try_change(form, keys.actions[word], key):
        return _back(request, keys, key, done)
    return _ask(request, keys, word, form, {"key": keys.view_models.facts(key, None)})
