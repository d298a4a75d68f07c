"""The texts of notifications by kind, in the reader's language. There are no notifications of other kinds."""

from collections import defaultdict
from typing import Any, NamedTuple

from django.utils import translation
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from apps.base.timestamps import readable
from apps.notices.models import Notice

TIME_SUFFIXES = ("_at", "_on")


class NotificationText(NamedTuple):
    """Title, text and link label; title and text are formatted with the notification's params."""

    title: Promise
    text: Promise
    link_label: Promise


TEXTS: dict[str, NotificationText] = {
    "endpoint.failing": NotificationText(
        _("%(host)s is failing"),
        _("The last %(failures)s attempts failed. Deliveries are retried; after five days the endpoint is disabled."),
        _("Open the endpoint"),
    ),
    "endpoint.disabled": NotificationText(
        _("%(host)s was disabled"),
        _("Events are held while it is off. Repair the receiver, then enable it and choose what to do with them."),
        _("Open the endpoint"),
    ),
    "endpoint.recovered": NotificationText(
        _("%(host)s has recovered"), _("Deliveries succeed again."), _("Open the endpoint")
    ),
    "api_key.expiring": NotificationText(
        _("The API key “%(name)s” expires on %(expires_on)s"),
        _("It stops working at %(expires_at)s. Rotate it before then: both keys may work side by side for a while."),
        _("Open the key"),
    ),
    "api_key.expired": NotificationText(
        _("The API key “%(name)s” has expired"),
        _("Since %(expires_at)s its calls are answered with 401 expired_api_key. Create another one if it is needed."),
        _("Open the key"),
    ),
    "api_key.rotation_due": NotificationText(
        _("Rotate the API key “%(name)s”: it was made on %(made_on)s"),
        _("It is older than %(days)s days. The old key keeps working for as long as you choose."),
        _("Open the key"),
    ),
    "api_key.unusual_rate": NotificationText(
        _("The API key “%(name)s” is called far more often than usual"),
        _(
            "%(calls)s calls in the hour from %(hour)s, most of them from %(address)s. In the four weeks before there"
            " were never more than %(busiest_hour)s in an hour. If this is not yours, rotate or revoke the key."
        ),
        _("Look at its use"),
    ),
    "api_key.unusual_network": NotificationText(
        _("The API key “%(name)s” is used from a new network"),
        _(
            "First call from %(address)s in %(network)s. Before, it was used from %(known_networks)s. If this is not"
            " yours, rotate or revoke the key."
        ),
        _("Look at its use"),
    ),
    "api_key.unusual_refusals": NotificationText(
        _("Many calls of the API key “%(name)s” are refused"),
        _(
            "%(refused)s of %(calls)s calls since %(since)s were refused, %(limited)s of them as too many (429); most"
            " calls came from %(address)s. A program may be set up wrongly, or somebody is trying things out."
        ),
        _("Look at its use"),
    ),
    "api_key.leaked": NotificationText(
        _("The API key “%(name)s” is public"),
        _("It was reported as leaked. Place: %(where)s. It still works: rotate it now, then revoke the old key."),
        _("Open the key"),
    ),
    "api_key.leaked_quarantined": NotificationText(
        _("The API key “%(name)s” is public and was put in quarantine"),
        _(
            "It was reported as leaked. Place: %(where)s. It can only read now, and only from addresses that were"
            " seen before. Make a new key, move over, then revoke this one."
        ),
        _("Open the key"),
    ),
    "api_key.leaked_revoked": NotificationText(
        _("The API key “%(name)s” is public and was revoked"),
        _("It was reported as leaked. Place: %(where)s. It stopped working at once; make a new key and move over."),
        _("Open the key"),
    ),
    "api_key.leaked_creator": NotificationText(
        _("What the leaked API key “%(name)s” created still works"),
        _(
            "%(mask)s was reported as leaked. Keys, members, invitations or endpoints that it created are still"
            " active: %(made)s. Whoever had the key may have created them. End those you don't know."
        ),
        _("Review and end them"),
    ),
    "api_key.successor_leaked": NotificationText(
        _("The API key “%(name)s” was created by a key that is public"),
        _(
            "%(origin)s was reported as leaked. Place: %(where)s. It created this key by rotating itself, so whoever"
            " has it may have this key too. This key still works: if you don't know who rotated it, revoke it now."
        ),
        _("Open the key"),
    ),
    "api_key.successor_leaked_quarantined": NotificationText(
        _("The API key “%(name)s” was put in quarantine: the key that created it is public"),
        _(
            "%(origin)s was reported as leaked. Place: %(where)s. It created this key by rotating itself, so whoever"
            " has it may have this key too. This key can only read now, and only from IP addresses it used before."
            " Create a new key, move over, then revoke this one."
        ),
        _("Open the key"),
    ),
    "api_key.successor_leaked_revoked": NotificationText(
        _("The API key “%(name)s” was revoked: the key that created it is public"),
        _(
            "%(origin)s was reported as leaked. Place: %(where)s. It created this key by rotating itself, so whoever"
            " has it may have this key too. Create a new key and move over."
        ),
        _("Open the key"),
    ),
    "sdk_key.leaked": NotificationText(
        _("The SDK key “%(name)s” was reported as leaked"),
        _("Place: %(where)s. A key inside an app can be read by its users; rotate it if it is abused."),
        _("Open the key"),
    ),
    "sdk_key.leaked_quarantined": NotificationText(
        _("The SDK key “%(name)s” was reported as leaked and put in quarantine"),
        _(
            "Place: %(where)s. Devices that have an activation go on from addresses that were seen before; no new one"
            " is activated. Rotate the key, publish your app anew, then revoke this one."
        ),
        _("Open the key"),
    ),
    "sdk_key.leaked_revoked": NotificationText(
        _("The SDK key “%(name)s” was reported as leaked and was revoked"),
        _("Place: %(where)s. It stopped working at once; make a new key and publish your app anew."),
        _("Open the key"),
    ),
    "organization.suspended": NotificationText(
        _("This organization is suspended"),
        _(
            "Reason: %(reason)s. Its keys answer 403 organization_suspended, deliveries are held, and its pages can"
            " only be read. Nothing is lost."
        ),
        _("Open the overview"),
    ),
    "organization.resumed": NotificationText(
        _("This organization works again"),
        _("Its suspension has ended. Keys are let in, and what was held is sent now."),
        _("Open the overview"),
    ),
}

# Texts that replace the kind's default text if ``params["reason"]`` has this value.
TEXTS_BY_REASON: dict[tuple[str, str], NotificationText] = {
    ("endpoint.disabled", "gone"): NotificationText(
        _("%(host)s was disabled"),
        _(
            "It answered 410 Gone, which says that it wants no more requests. Events are held while it is off. If it is"
            " still in use, make it answer 2xx, then enable it and choose what to do with them."
        ),
        _("Open the endpoint"),
    ),
}


def english_title(notice: Notice) -> str:
    """Return the title in English, for the audit log."""
    with translation.override("en"):
        return _fill(_text_for(notice).title, notice.params)


def notice_context(notice: Notice, slug: str) -> dict[str, Any]:
    """Return the notification as pages and mails show it."""
    texts = _text_for(notice)
    return {
        "id": notice.public_id,
        "severity": notice.severity,
        "title": _fill(texts.title, notice.params),
        "text": _fill(texts.text, notice.params),
        "link_url": f"/o/{slug}/{notice.path}",
        "link_label": str(texts.link_label),
        "created_at": notice.created_at,
        "dismissed_at": notice.dismissed_at,
        "dismissed_by": notice.dismissed_by,
        "resolved_at": notice.resolved_at,
    }


def _text_for(notice: Notice) -> NotificationText:
    """Return a notification's texts; a kind that no longer exists is shown by its name."""
    by_reason = TEXTS_BY_REASON.get((notice.kind, str(notice.params.get("reason", ""))))
    return (
        by_reason
        or TEXTS.get(notice.kind)
        or NotificationText(format_lazy("{}", notice.kind), format_lazy(""), _("Open"))
    )


def _fill(text: Promise, params: dict[str, Any]) -> str:
    """Return the text with its params. A param that an older row lacks becomes a dash, so that no page fails."""
    return str(text) % defaultdict(lambda: "–", {name: _format_param(name, value) for name, value in params.items()})


def _format_param(name: str, value: Any) -> Any:
    """Return the value of a param; times are recognized by the param's name, because a text can look like a date."""
    return readable(value) if name.endswith(TIME_SUFFIXES) else value
