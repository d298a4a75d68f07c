"""Audit entries, events and mails about changes to an account."""

from dataclasses import replace
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise

from apps.audit import actions as audit
from apps.audit.models import Outcome
from apps.base.actor import Actor
from apps.base.timestamps import format_date_for_reader
from apps.orgs.accounts.device_names import device_name
from apps.orgs.mail import outbox
from apps.orgs.models import PLATFORM_SLUG, Membership, Organization, User
from apps.webhooks import publishing


def memberships_of(user: User) -> list[Membership]:
    """Return a user's memberships of organizations that are not closed."""
    rows = Membership.objects.filter(user=user, organization__in=Organization.objects.for_member(user))
    return list(rows.order_by("organization_id"))


def record_everywhere(
    actor: Actor,
    user: User,
    action: str,
    changes: dict[str, list[Any]] | None = None,
    outcome: str = Outcome.SUCCESS,
) -> None:
    """Write an audit entry in each organization of the user; for operators and users without one, in the platform's."""
    targets = [(each.organization_id, each.user_public_id) for each in memberships_of(user)]
    if user.is_staff or not targets:
        platform = Organization.objects.values_list("pk", flat=True).get(slug=PLATFORM_SLUG)
        targets.append((platform, user.public_id))
    for organization_id, user_id in targets:
        audit.record(
            # Each organization identifies the user by the id of its membership.
            actor=replace(actor, id=user_id) if actor.id == user.public_id else actor,
            action=action,
            target_kind="user",
            target_id=user_id,
            target_label=user.email,
            changes=changes,
            outcome=outcome,
            organization_id=organization_id,
        )


def publish_everywhere(user: User, event_type: str) -> None:
    """Publish an event about the account in each organization of the user."""
    for each in memberships_of(user):
        data = {"id": each.user_public_id, "name": user.name, "email": user.email}
        publishing.publish(organization_id=each.organization_id, event_type=event_type, data=data)


def mail_account_change(actor: Actor, user: User, what: Promise) -> None:
    """Mail the user what changed, when, and from where."""
    _mail(actor, user, "account_changed", {"what": what})


def mail_new_browser(actor: Actor, user: User) -> None:
    """Mail the user that a new browser signed in, when, and from where."""
    _mail(actor, user, "new_browser", {})


@transaction.atomic
def mail_wrong_codes(*, actor: Actor, user: User) -> None:
    """Mail the user that codes are being guessed after the right password, when, and from where."""
    _mail(actor, user, "wrong_codes", {})


@transaction.atomic
def record_failed_sign_in(*, actor: Actor, user: User | None, step: str, count: int) -> None:
    """Record ``count`` failed sign-ins; those of an unknown account in the platform's log only."""
    changes: dict[str, list[Any]] = {"step": [None, step], "failures": [None, count]}
    if user is not None:
        record_everywhere(actor, user, "session.sign_in_failed", changes, Outcome.FAILURE)
        return
    platform = Organization.objects.filter(slug=PLATFORM_SLUG).values_list("pk", flat=True).first()
    if platform is not None:
        audit.record(
            actor=actor,
            action="session.sign_in_failed",
            target_kind="user",
            target_id="-",
            target_label="an unknown account",
            changes=changes,
            outcome=Outcome.FAILURE,
            organization_id=platform,
        )


def _mail(actor: Actor, user: User, template: str, extra: dict[str, Any]) -> None:
    context = {
        **extra,
        "name": user.name,
        "at": format_date_for_reader(timezone.now(), "exact"),
        "address": actor.address,
        "device": device_name(actor.user_agent) if actor.user_agent else "",
    }
    outbox.enqueue(to=user.email, template=template, context=context, language=user.language)
