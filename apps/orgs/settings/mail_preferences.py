"""Mail preferences of members, for each of their organizations."""

from collections.abc import Iterable

from django.db import transaction

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import NotFound
from apps.orgs.mail.recipients import OPTIONAL_GROUPS
from apps.orgs.models import Membership


@transaction.atomic
def choose_own_mail(*, actor: Actor, off: Iterable[str]) -> Membership:
    """Decline the mail of the named groups for the acting member; security mail can't be declined."""
    rows = Membership.objects.for_actor(actor).select_for_update(of=("self",)).select_related("user")
    membership = rows.filter(user_id=actor.pk).first() if actor.pk else None
    if membership is None:
        raise NotFound()
    unwanted, before = set(off), membership.mail_off or []
    after = [group for group in OPTIONAL_GROUPS if group in unwanted]
    if after != before:
        membership.mail_off = after
        membership.save(update_fields=["mail_off"])
        audit.record(
            actor=actor,
            action="member.mail_chosen",
            target_kind="user",
            target_id=actor.id,
            target_label=membership.user.email,
            changes={"mail_off": [before, after]},
        )
    return membership
