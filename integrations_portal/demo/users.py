"""Creates the demo's accounts: Acme with all four roles, Rival, and an operator."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from allauth.account.models import EmailAddress

from apps.base.actor import Actor, ActorKind
from apps.base.identifiers import uuid_at
from apps.orgs.models import PLATFORM_SLUG, Membership, Organization, Role, User
from apps.orgs.roles import GRANTABLE, PERMISSIONS
from integrations_portal.demo.activity_times import random_times
from integrations_portal.demo.audit_entries import AuditEntries

PASSWORD = "demo-password"  # noqa: S105 - printed at each start; the demo serves this machine alone
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
ACME, RIVAL = "acme", "rival"
ORGANIZATIONS = {ACME: "Acme Travel", RIVAL: "Rival"}
FOUNDED_DAYS_AGO = 120
OPERATOR = "operator"


class DemoUser(NamedTuple):
    """A user who can sign in; ``sign_ins``: per day."""

    name: str
    email: str
    role: str
    organization: str
    address: str
    language: str = ""
    sign_ins: float = 1


USERS = (
    DemoUser("Ada Ortiz", "ada@acme.example", Role.OWNER, ACME, "198.51.100.20", sign_ins=0.6),
    DemoUser("Ann Lefèvre", "ann@acme.example", Role.ADMIN, ACME, "198.51.100.21", "fr"),
    DemoUser("Dev Kumar", "dev@acme.example", Role.DEVELOPER, ACME, "198.51.100.35", sign_ins=1.4),
    DemoUser("Vera Novak", "vera@acme.example", Role.VIEWER, ACME, "198.51.100.36", sign_ins=0.3),
    DemoUser("Zed Okafor", "zed@rival.example", Role.OWNER, RIVAL, "203.0.113.77", sign_ins=0.5),
    DemoUser("Olga Operator", "operator@portal.example", OPERATOR, PLATFORM_SLUG, "192.0.2.10"),
)


@dataclass(frozen=True, slots=True)
class DemoAccounts:
    """The organizations by slug, and the users as actors by first name."""

    organizations: dict[str, Organization]
    actors: dict[str, Actor]


def logins() -> list[dict[str, str]]:
    """Return the credentials of all users."""
    return [
        {"email": each.email, "password": PASSWORD, "role": str(each.role), "organization": each.organization}
        for each in USERS
    ]


def create(audit_entries: AuditEntries, rng: random.Random, now: datetime) -> DemoAccounts:
    """Create the organizations and users with their audit entries."""
    founded = now - timedelta(days=FOUNDED_DAYS_AGO)
    organizations = {slug: _create_organization(slug, name, founded) for slug, name in ORGANIZATIONS.items()}
    organizations[PLATFORM_SLUG] = Organization.objects.get(slug=PLATFORM_SLUG)
    actors: dict[str, Actor] = {}
    for index, person in enumerate(USERS):
        organization = organizations[person.organization]
        joined = founded + timedelta(days=index, hours=index)
        user = _create_user(person, organization, joined, now)
        actor = _as_actor(person, user, organization)
        actors[person.name.partition(" ")[0]] = actor
        if person.role != OPERATOR:
            _record_joining(audit_entries, person, actor, organization, joined)
            _record_sign_ins(audit_entries, rng, now, actor, person.sign_ins)
    return DemoAccounts(organizations, actors)


def _create_organization(slug: str, name: str, moment: datetime) -> Organization:
    return Organization.objects.create(id=uuid_at(moment), slug=slug, name=name, created_at=moment, updated_at=moment)


def _create_user(person: DemoUser, organization: Organization, joined: datetime, now: datetime) -> User:
    is_operator = person.role == OPERATOR
    user = User.objects.create_user(
        person.email,
        PASSWORD,
        id=uuid_at(joined),
        name=person.name,
        language=person.language,
        is_staff=is_operator,
        is_superuser=is_operator,
        created_at=joined,
        updated_at=joined,
    )
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    if not is_operator:
        Membership.objects.create(
            id=uuid_at(joined),
            organization=organization,
            user=user,
            role=person.role,
            created_at=joined,
            last_seen_at=now - timedelta(hours=3 / person.sign_ins),
        )
    return user


def _as_actor(person: DemoUser, user: User, organization: Organization) -> Actor:
    return Actor(
        kind=ActorKind.OPERATOR if person.role == OPERATOR else ActorKind.USER,
        id=user.public_id,
        label=user.name,
        organization_id=organization.pk,
        permissions=PERMISSIONS.get(person.role, frozenset()),
        grantable=GRANTABLE.get(person.role, frozenset()),
        role=person.role,
        address=person.address,
        user_agent=BROWSER,
        pk=user.pk,
    )


def _record_joining(
    audit_entries: AuditEntries, person: DemoUser, actor: Actor, organization: Organization, joined: datetime
) -> None:
    if person.role == Role.OWNER:
        target = ("organization", organization.public_id, organization.name)
        audit_entries.add(joined, actor, "organization.created", target, {"slug": [None, organization.slug]})
        return
    changes = {"role": [None, str(person.role)], "email": [None, person.email]}
    audit_entries.add(joined, actor, "invitation.accepted", ("user", actor.id, person.email), changes)


def _record_sign_ins(
    audit_entries: AuditEntries, rng: random.Random, now: datetime, actor: Actor, per_day: float
) -> None:
    for moment in random_times(rng, now, per_day, now - timedelta(days=29), now):
        audit_entries.add(moment, actor, "session.signed_in", ("user", actor.id, actor.label))
