"""What each kind of notice says, in the reader's language. A kind that has no text here cannot be posted."""

from collections import defaultdict
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.notices.models import Notice


class Words(NamedTuple):
    """Title, text and the label of the link; the first two take the notice's params."""

    title: Promise
    text: Promise
    link_label: Promise


KINDS: dict[str, Words] = {
    "endpoint.failing": Words(
        _("%(host)s is failing"),
        _("The last %(failures)s attempts failed. Deliveries are retried; after five days the endpoint is disabled."),
        _("Open the endpoint"),
    ),
    "endpoint.disabled": Words(
        _("%(host)s was disabled"),
        _("Events are held while it is off. Repair the receiver, then enable it and choose what to do with them."),
        _("Open the endpoint"),
    ),
    "endpoint.recovered": Words(_("%(host)s has recovered"), _("Deliveries succeed again."), _("Open the endpoint")),
    "organization.suspended": Words(
        _("This organization is suspended"),
        _("Its keys answer 403 organization_suspended and deliveries are held. %(reason)s"),
        _("Open the overview"),
    ),
}


def describe(notice: Notice, slug: str) -> dict[str, Any]:
    """This will return the notice as pages and mails show it."""
    words = KINDS[notice.kind]
    return {
        "id": notice.public_id,
        "severity": notice.severity,
        "title": _filled(words.title, notice.params),
        "text": _filled(words.text, notice.params),
        "link_url": f"/o/{slug}/{notice.path}",
        "link_label": str(words.link_label),
        "created_at": notice.created_at,
    }


def _filled(text: Promise, params: dict[str, Any]) -> str:
    """A word that an older notice lacks becomes a dash: one row must not end every page of its organization."""
    return str(text) % defaultdict(lambda: "–", params)
