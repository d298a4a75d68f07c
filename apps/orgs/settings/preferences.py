"""Language and time zone of a user, which are not audited, and the mail that a member declines."""

import zoneinfo
from collections.abc import Iterable

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from apps.base.actor import Actor
from apps.base.errors import Invalid, NotFound
from apps.orgs.mail.recipients import OPTIONAL_GROUPS
from apps.orgs.members.audit_and_publish import record
from apps.orgs.models import Membership, User


def set_preferences(*, user: User, language: str | None = None, time_zone: str | None = None) -> None:
    """Save the language and time zone of the user's pages and mails; None leaves a value unchanged.

    Empty means the browser's language, or UTC. Raises Invalid for an unknown value.
    """
    values = {}
    if language is not None:
        if language and language not in dict(settings.LANGUAGES):
            raise Invalid.field("language", _("Choose one of the languages."))
        values["language"] = language
    if time_zone is not None:
        if time_zone and time_zone not in zoneinfo.available_timezones():
            raise Invalid.field("time_zone", _("Choose one of the time zones."))
        values["time_zone"] = time_zone
    if values:
        User.rows.filter(pk=user.pk).update(**values)


@transaction.atomic
def decline_mail(*, actor: Actor, declined: Iterable[str]) -> Membership:
    """Decline the mail of the named groups for the acting member; security mail can't be declined."""
    rows = Membership.objects.for_actor(actor).select_for_update(of=("self",)).select_related("user")
    membership = rows.filter(user_id=actor.pk).first() if actor.pk else None
    if membership is None:
        raise NotFound()
    unwanted, before = set(declined), membership.mail_off or []
    after = [group for group in OPTIONAL_GROUPS if group in unwanted]
    if after != before:
        membership.mail_off = after
        membership.save(update_fields=["mail_off"])
        record(actor, membership, "member.mail_chosen", {"mail_off": [before, after]})
    return membership
