"""The checklist of first steps; whether a step is done is derived from the organization's data."""

from typing import Any

from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from apps.api_keys.models import ApiKey
from apps.audit.models import LastUse
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.base.rest.snippets import as_curl, first_request
from apps.webhooks.models import Endpoint
from apps.webhooks.stats import dashboard_stats

Step = dict[str, Any]


def made(actor: Actor, slug: str) -> list[Step]:
    """Return the five steps, with a button for those that the member has permission for."""
    return [*_calling(actor, slug), *_receiving(actor, slug)]


def _calling(actor: Actor, slug: str) -> list[Step]:
    keys = ApiKey.objects.for_actor(actor)
    return [
        {
            "title": _("Create an API key"),
            "done": keys.exists(),
            "text": _("One key for each integration. It is shown once."),
            "url": reverse("api_key_create", args=[slug]) if actor.can(Permission.API_KEYS_WRITE) else "",
            "action": _("Create API key"),
        },
        {
            "title": _("Make a first call"),
            "done": keys.filter(Exists(LastUse.objects.filter(credential_id=OuterRef("pk")))).exists(),
            "text": as_curl(first_request()).replace(" \\\n ", ""),
            "url": f"{reverse('docs_start')}?{urlencode({'organization': slug})}",
            "action": _("Get started"),
        },
    ]


def _receiving(actor: Actor, slug: str) -> list[Step]:
    endpoints = Endpoint.objects.for_actor(actor)
    newest = endpoints.existing().order_by("-pk").first()
    successes = dashboard_stats.first_successes(actor)
    may = actor.can(Permission.WEBHOOKS_WRITE)
    page = reverse("webhook", args=[slug, newest.public_id]) if newest and may else ""
    return [
        {
            "title": _("Add a webhook endpoint"),
            "done": newest is not None or endpoints.exists(),
            "text": _("A URL of yours that gets signed events within seconds."),
            "url": reverse("webhook_create", args=[slug]) if may else "",
            "action": _("Add endpoint"),
        },
        {
            "title": _("Verify a signature"),
            "done": successes.test or successes.event,
            "text": _("Check it in your receiver, then send a test. This ticks when the receiver answers it with 2xx."),
            "url": f"{page}?tab=test" if page else "",
            "action": _("Send test"),
        },
        {
            "title": _("Receive a real event"),
            "done": successes.event,
            "text": _("Publish one through the API; the delivery shows request, response and timing."),
        },
    ]
