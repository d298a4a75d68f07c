"""Pages about people and organizations."""

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.base.errors import Invalid
from apps.base.pages import org_page, way_back
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.orgs import actions
from apps.orgs.forms import PreferencesForm
from apps.orgs.models import Membership, Organization, Role
from apps.orgs.roles import RANK

ROLE_TEXTS = {
    Role.OWNER: _("Everything, owners and the end of the organization included."),
    Role.ADMIN: _("Everything but owners and the end of the organization."),
    Role.DEVELOPER: _("Webhooks and the audit log; sees keys, masked."),
    Role.VIEWER: _("Sees everything but the audit log, changes nothing."),
}


@login_required
def landing(request: PortalRequest) -> HttpResponse:
    """Leads to the organization used last, the only one, or the choice between several."""
    mine = list(Organization.objects.for_member(request.user).order_by("name"))
    last = request.session.get("organization")
    chosen = next((each for each in mine if each.slug == last), mine[0] if len(mine) == 1 else None)
    if chosen is not None:
        return redirect("overview", chosen.slug)
    if request.user.is_staff and not mine:
        return redirect("admin:index")
    return render(request, "organizations.html")


@org_page(Permission.MEMBERS_READ, nav="members")
def members(request: PortalRequest) -> HttpResponse:
    """S15: who belongs here and what each role may do."""
    rows = list(Membership.objects.for_actor(request.actor).select_related("user"))
    people = [row.user_id for row in rows]
    two_step = set(Authenticator.objects.filter(user__in=people).values_list("user_id", flat=True))
    rows.sort(key=lambda row: (-RANK[Role(row.role)], row.user.name.lower()))
    context = {
        "members": [
            {
                "name": row.user.name,
                "email": row.user.email,
                "role": row.role,
                "last_seen_at": row.last_seen_at,
                "two_step": row.user_id in two_step,
                "is_you": row.user_id == request.user.pk,
            }
            for row in rows
        ],
        "roles": [{"role": role, "text": text} for role, text in ROLE_TEXTS.items()],
    }
    return render(request, "orgs/members.html", context)


@require_POST
def set_language(request: PortalRequest) -> HttpResponse:
    """This will keep the language in a cookie and, of somebody signed in, in the account; and lead back to the page."""
    language = request.POST.get("language", "")
    response = redirect(way_back(request.POST.get("next", ""), "/"))
    if language in dict(settings.LANGUAGES):
        if request.user.is_authenticated:
            actions.set_preferences(user=request.user, language=language)
        _keep_language(response, language)
    return response


def _keep_language(response: HttpResponse, language: str) -> None:
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
    """This will show and save the language and time zone of the person's pages and mails."""
    user = request.user
    form = PreferencesForm(request.POST or None, initial={"language": user.language, "time_zone": user.time_zone})
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        try:
            actions.set_preferences(user=user, language=chosen["language"], time_zone=chosen["time_zone"])
        except Invalid as error:
            form.add_error(None, str(error))
        else:
            with override(chosen["language"] or None):
                messages.success(request, gettext("Saved."))
            response = redirect("preferences")
            if chosen["language"]:
                _keep_language(response, chosen["language"])
            else:
                response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
            return response
    return render(request, "account/preferences.html", {"form": form})
