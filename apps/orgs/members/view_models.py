"""Rows of the pages of members, roles and invitations."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Lower
from django.utils import timezone

from apps.base.actor import Actor
from apps.base.errors import PortalError
from apps.base.permissions import Permission
from apps.base.text.email_validation import normalize_email
from apps.base.web.operator_session import SECOND_STEPS
from apps.credentials.key_kinds import KEY_KINDS
from apps.orgs.members.membership import check_can_manage
from apps.orgs.models import Invitation, InvitationStatus, Membership, Role
from apps.orgs.roles import RANK, ROLE_TABLE

# Invitations that were closed longer ago are in the audit log only.
CLOSED_SHOWN_FOR = timedelta(days=30)
MAX_INVITATIONS = 100


def members(actor: Actor, text: str, role: str) -> QuerySet[Membership]:
    """Return the members that match, owners first, then by name."""
    rows = Membership.objects.for_actor(actor).select_related("user")
    if text:
        rows = rows.filter(Q(user__name__icontains=text) | Q(user__email__icontains=normalize_email(text)))
    if role:
        rows = rows.filter(role=role)
    rank = Case(*(When(role=each, then=Value(RANK[each])) for each in Role), output_field=IntegerField())
    return rows.annotate(rank=rank).order_by("-rank", Lower("user__name"), "pk")


def member_rows(actor: Actor, rows: list[Membership]) -> list[dict[str, Any]]:
    """Return the rows of the members' list."""
    user_ids = [row.user_id for row in rows]
    second_steps = Authenticator.objects.filter(user__in=user_ids, type__in=SECOND_STEPS)
    two_step = set(second_steps.values_list("user_id", flat=True))
    own = EmailAddress.objects.filter(user__in=user_ids, verified=True, email=F("user__email"))
    confirmed = set(own.values_list("user_id", flat=True))
    key_counts = count_created_keys(actor, [row.user_public_id for row in rows])
    return [
        {
            "id": row.user_public_id,
            "name": row.user.name or row.user.email,
            "email": row.user.email,
            "role": row.role,
            "created_at": row.created_at,
            "last_seen_at": row.last_seen_at,
            "two_step": row.user_id in two_step,
            "is_confirmed": row.user_id in confirmed,
            "is_you": row.user_id == actor.pk,
            "keys": key_counts.get(row.user_public_id, 0),
            "refusal": refusal_reason(actor, row),
        }
        for row in rows
    ]


def count_created_keys(actor: Actor, user_ids: Iterable[str]) -> dict[str, int]:
    """Return the number of active keys, of any kind, that each of the users created, by public id."""
    found: dict[str, int] = {}
    for kind in KEY_KINDS.values():
        rows = kind.keys().for_actor(actor).live().filter(created_by_kind="user", created_by_id__in=list(user_ids))
        for user_id, count in rows.values_list("created_by_id").annotate(Count("pk")):
            found[user_id] = found.get(user_id, 0) + count
    return found


def refusal_reason(actor: Actor, membership: Membership) -> str:
    """Return why the actor cannot change the member, or an empty string."""
    try:
        actor.require(Permission.MEMBERS_WRITE)
        check_can_manage(actor, membership)
    except PortalError as error:
        return str(error)
    return ""


def assignable_roles(actor: Actor) -> list[Role]:
    """Return the roles that the actor can assign, the highest first."""
    return [role for role in Role if role != Role.OWNER or actor.can(Permission.ORGANIZATION_OWN)]


def invitation_rows(actor: Actor) -> list[dict[str, Any]]:
    """Return the open and the recently closed invitations, newest first."""
    recent = Q(status=InvitationStatus.SENT) | Q(closed_at__gt=timezone.now() - CLOSED_SHOWN_FOR)
    assignable = assignable_roles(actor) if actor.can(Permission.USERS_WRITE) else []
    return [
        {
            "id": row.public_id,
            "email": row.email,
            "role": row.role,
            "state": row.state,
            "by": row.invited_by_label,
            "created_at": row.created_at,
            "expires_at": row.expires_at,
            "closed_at": row.closed_at,
            "is_open": row.status == InvitationStatus.SENT and row.role in assignable,
        }
        for row in Invitation.objects.for_actor(actor).visible().filter(recent).order_by("-pk")[:MAX_INVITATIONS]
    ]


def role_table() -> list[dict[str, Any]]:
    """Return the table of roles and permissions: a row for each ability, a cell for each role."""
    return [
        {
            "text": row.text,
            "cells": [{"role": role.label, "held": row.coverage(role), "lacks": row.lacks} for role in Role],
        }
        for row in ROLE_TABLE
    ]
