"""Pages of a user's own preferences: language, time zone, and mail of each organization."""

import zoneinfo
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.base.errors import Invalid
from apps.base.requests import PortalRequest
from apps.base.web.pages import safe_return_path
from apps.orgs.mail.recipients import GROUPS, OPTIONAL_GROUPS
from apps.orgs.members.middleware import enter_organization
from apps.orgs.models import Membership, OrganizationStatus
from apps.orgs.settings.preferences import decline_mail, set_preferences


@require_POST
def set_language(request: PortalRequest) -> HttpResponse:
    """Store the language in a cookie and, if signed in, in the account; redirect to the page."""
    language = request.POST.get("language", "")
    response = redirect(safe_return_path(request.POST.get("next", ""), "/"))
    if language in dict(settings.LANGUAGES):
        if request.user.is_authenticated:
            set_preferences(user=request.user, language=language)
        _set_language_cookie(response, language)
    return response


def _set_language_cookie(response: HttpResponse, language: str) -> None:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: PortalRequest) -> HttpResponse:
    """Show and save the language and time zone of the user's pages and mails."""
    user = request.user
    form = PreferencesForm(request.POST or None, initial={"language": user.language, "time_zone": user.time_zone})
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            set_preferences(user=user, language=chosen["language"], time_zone=chosen["time_zone"])
        except Invalid as error:
            form.add_error(None, str(error))
        else:
            with override(chosen["language"] or None):
                messages.success(request, gettext("Saved."))
            response = redirect("preferences")
            if chosen["language"]:
                _set_language_cookie(response, chosen["language"])
            else:
                response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
            return response
    return render(request, "account/preferences.html", {"form": form})


class PreferencesForm(forms.Form):
    """Language and time zone of a user's pages and mails."""

    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        help_text=_("Pages and mails speak it."),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        required=False,
        help_text=_("Times are shown in it. The exact time in UTC shows on hover."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        languages, zones = self.fields["language"], self.fields["time_zone"]
        languages.choices = [("", _("As the browser says")), *settings.LANGUAGES]  # type: ignore[attr-defined]  # a ChoiceField has them
        names = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))
        zones.choices = [("", "UTC"), *((name, name.replace("_", " ")) for name in names)]  # type: ignore[attr-defined]  # a ChoiceField has them


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def account_mail(request: PortalRequest) -> HttpResponse:
    """Show and save the chosen groups of mail of each organization; security mail can't be declined."""
    rows = Membership.objects.filter(user_id=request.user.pk).select_related("organization")
    rows = rows.exclude(organization__status=OrganizationStatus.CLOSED).order_by("organization__name")
    mine = [row for row in rows if not row.organization.is_platform]
    if request.method == "POST":
        return _save_mail(request, mine)
    return render(request, "account/mail.html", {"choices": [_mail_choices(row) for row in mine]})


def _mail_choices(membership: Membership) -> dict[str, Any]:
    off = membership.mail_off or []
    checkboxes = [
        {"name": _mail_field(membership), "value": group, "label": GROUPS[group], "on": group not in off}
        for group in OPTIONAL_GROUPS
    ]
    return {
        "organization": membership.organization.name,
        "slug": membership.organization.slug,
        "checkboxes": checkboxes,
    }


def _mail_field(membership: Membership) -> str:
    return f"mail_{membership.organization.slug}"


def _save_mail(request: PortalRequest, mine: list[Membership]) -> HttpResponse:
    """Save the choice for each organization, as its member; the organization used last does not change."""
    last = request.session.get("organization")
    for membership in mine:
        wanted = request.POST.getlist(_mail_field(membership))
        redirection = enter_organization(request, membership.organization.slug)
        if redirection is not None:
            return redirection
        decline_mail(actor=request.actor, declined=[each for each in OPTIONAL_GROUPS if each not in wanted])
    if last is not None:
        request.session["organization"] = last
    messages.success(request, gettext("Saved."))
    return redirect("account_mail")
