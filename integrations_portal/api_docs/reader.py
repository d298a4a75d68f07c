"""The reader of the developer pages: anonymous, or a member whose organization's links and figures are shown."""

from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from apps.base.actor import Actor
from apps.base.requests import PortalRequest
from apps.orgs.members.membership_requirements import lacks_second_step
from apps.orgs.members.middleware import member_actor
from apps.orgs.models import Membership, Organization, OrganizationStatus

# Each page: route, title, icon.
PAGES: tuple[tuple[str, Promise, str], ...] = (
    ("docs_start", _("Get started"), "overview"),
    ("reference", _("Reference"), "code"),
    ("swagger", _("Try it"), "external"),
    ("docs_errors", _("Errors"), "warn"),
    ("docs_limits", _("Rate limits"), "clock"),
    ("docs_webhooks", _("Webhooks"), "webhook"),
    ("docs_practices", _("Best practices"), "shield"),
    ("docs_changelog", _("API changelog"), "list"),
)


@dataclass(frozen=True)
class Reader:
    """The reader; ``organization`` and ``actor`` are None if anonymous, or if the organization is not known.

    ``sign_in_url`` leads an anonymous reader back to the page.
    """

    organization: Organization | None = None
    actor: Actor | None = None
    query: str = ""
    sign_in_url: str = ""

    @property
    def slug(self) -> str:
        """Return the organization's slug, or an empty string."""
        return self.organization.slug if self.organization is not None else ""

    def to(self, name: str, *more: str) -> str:
        """Return the URL of a page of the organization, or of the page that leads to one."""
        return reverse(name, args=[self.slug, *more]) if self.slug else self.sign_in_url or reverse("landing")


def reader_of(request: HttpRequest) -> Reader:
    """Return the reader with the organization of ``?organization=<slug>``, else the last used one, else the only one.

    An organization that the user is not a member of is ignored, like one that does not exist.
    """
    if not request.user.is_authenticated:
        return Reader(sign_in_url=f"{reverse('account_login')}?{urlencode({'next': request.path})}")
    rows = Membership.objects.filter(user_id=request.user.pk).select_related("organization", "user")
    rows = rows.exclude(organization__status=OrganizationStatus.CLOSED).order_by("pk")
    mine = {row.organization.slug: row for row in rows if not row.organization.is_platform}
    asked = request.GET.get("organization", "")
    found = mine.get(asked) or mine.get(request.session.get("organization", ""))
    if found is None and len(mine) == 1:
        found = next(iter(mine.values()))
    if found is None or lacks_second_step(found):
        return Reader()
    query = f"?{urlencode({'organization': asked})}" if asked == found.organization.slug else ""
    return Reader(found.organization, member_actor(cast(PortalRequest, request), found), query)


def page(request: HttpRequest, name: str, context: dict[str, Any], reader: Reader | None = None) -> HttpResponse:
    """Render a developer page with the navigation."""
    who = reader or reader_of(request)
    frame = {
        "reader": who,
        "docs_nav": [
            {"url": reverse(route) + who.query, "label": label, "icon": icon, "current": route == name}
            for route, label, icon in PAGES
        ],
        "base_url": settings.PUBLIC_URL,
        "here": reverse(name),
    }
    return render(request, f"docs/{name.removeprefix('docs_')}.html", {**frame, **context})
