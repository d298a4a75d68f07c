"""What people, keys and operators do with API keys."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.api_keys.gate_rows import effective
from apps.api_keys.models import ApiKey, KeyType, Scope
from apps.audit import actions as audit
from apps.base.actor import Actor, ActorKind
from apps.base.errors import Conflict, Forbidden, Invalid
from apps.base.instants import instant
from apps.base.organizations import organization_pk
from apps.base.permissions import ADMIN, Permission
from apps.credentials import lifecycle
from apps.webhooks import publishing

MAX_DAYS = 3650
MAX_NETWORKS = 50
WINDOWS = ("minute", "hour")
PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a key ends: at a moment, never, or (neither) as its type says."""

    expires_at: datetime | None = None
    never: bool = False
    # The field of the body or form that chose it, for errors that name it.
    field: str = "expires_in_days"

    @classmethod
    def days(cls, days: int) -> "Lifetime":
        """This will return a lifetime of so many days from now."""
        return cls(expires_at=timezone.now() + timedelta(days=days))


@transaction.atomic
def create_key(
    *,
    actor: Actor,
    name: str,
    key_type: str,
    scopes: Iterable[str],
    subject: str = "",
    lifetime: Lifetime | None = None,
    allowed_networks: Iterable[str] | None = None,
    limits: dict[str, int | None] | None = None,
) -> tuple[ApiKey, str]:
    """This will make a key and return it with its text, once.

    A scope unknown or outside the type is judged first (Invalid), then whether the maker has what it gives
    (Forbidden), then the cap of live keys of the type (Conflict ``key_limit_reached``), exact under concurrency.
    """
    actor.require(Permission.API_KEYS_WRITE)
    kind = find_type(key_type, actor)
    held = check_scopes(kind, scopes)
    check_subject(kind, subject)
    networks = None if allowed_networks is None else parse_networks(allowed_networks)
    figures = check_limits(kind, limits or {}, actor)
    expires_at = check_lifetime(kind, lifetime or Lifetime())
    check_maker(actor, held)
    if actor.bounds is not None:
        check_maker_type(actor, kind)
        expires_at = within_expiry(actor, expires_at, lifetime)
        networks = within_networks(actor, networks)
        figures = within_limits(actor, kind, figures, limits or {})
    take_place(actor, kind)
    key, text = lifecycle.issue(
        ApiKey,
        actor=actor,
        name=check_name(name),
        key_type=kind,
        scopes=held,
        subject=subject,
        allowed_networks=networks or [],
        limit_minute=figures["minute"],
        limit_hour=figures["hour"],
        expires_at=expires_at,
    )
    settings_of_key = {
        "name": [None, key.name],
        "type": [None, kind.name],
        "scopes": [None, held],
        "expires_at": [None, instant(expires_at)],
        "allowed_networks": [None, key.allowed_networks],
    }
    _tell(actor, key, "api_key.created", settings_of_key)
    return key, text


@transaction.atomic
def revoke_key(*, actor: Actor, key_id: str, reason: str = "") -> ApiKey:
    """This will end a key for good; a second time changes and records nothing."""
    actor.require(Permission.API_KEYS_WRITE)
    key: ApiKey = ApiKey.objects.for_actor(actor).select_related("key_type").with_public_id(key_id)
    before = key.status
    if lifecycle.revoke(key, actor=actor, reason=reason):
        _tell(actor, key, "api_key.revoked", {"status": [before, key.status], "reason": [None, reason]})
    return key


def _tell(actor: Actor, key: ApiKey, action: str, changes: dict) -> None:
    audit.record(
        actor=actor,
        action=action,
        target_kind="api_key",
        target_id=key.public_id,
        target_label=key.name,
        changes=changes,
        organization_id=key.organization_id,
    )
    data = {"id": key.public_id, "name": key.name, "type": key.key_type.name, "mask": key.mask}
    publishing.publish(organization_id=key.organization_id, event_type=action, data=data)


# What a body may ask for


def find_type(name: str, actor: Actor) -> KeyType:
    """This will return a type that the actor's organization may make, or raise Invalid on ``type``.

    The vendor's own organization holds the vendor's own types and no others, and the reverse.
    """
    kind = KeyType.objects.filter(name=name, is_active=True).first()
    is_platform = actor.organization_id == organization_pk(PLATFORM)
    if kind is None or kind.platform_only != is_platform:
        raise Invalid.field("type", _("There is no key type %(name)r here.") % {"name": name[:40]})
    return kind


def check_name(name: str) -> str:
    """This will return the name without surrounding space, or raise Invalid."""
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise Invalid.field("name", _("Give the key a name of 1 to 100 characters."))
    return name


def check_scopes(kind: KeyType, scopes: Iterable[str]) -> list[str]:
    """This will return the scopes in the catalogue's order; ``admin`` stands alone, as it grants the rest."""
    wanted = set(scopes)
    catalogue = list(Scope.objects.values_list("name", flat=True))
    holdable = kind.holdable(frozenset(catalogue))
    refused = sorted(wanted - holdable)
    if refused:
        message = _("A key of type %(type)s cannot hold: %(scopes)s.")
        raise Invalid.field("scopes", message % {"type": kind.name, "scopes": ", ".join(refused)[:200]})
    return [ADMIN] if ADMIN in wanted else [name for name in catalogue if name in wanted]


def check_subject(kind: KeyType, subject: str) -> None:
    """This will demand a subject where the type needs one, and refuse one elsewhere."""
    if kind.needs_subject and not subject:
        raise Invalid.field("subject", _("A key of this type needs a subject: your reference of the client."))
    if subject and not kind.needs_subject:
        raise Invalid.field("subject", _("A key of this type has no subject."))
    if len(subject) > 200:
        raise Invalid.field("subject", _("A subject has at most 200 characters."))


def check_lifetime(kind: KeyType, lifetime: Lifetime) -> datetime | None:
    """This will return when the key ends (None: never), within what the type allows."""
    now = timezone.now()
    if lifetime.never:
        if kind.longest_days is not None:
            message = _("A key of this type must expire within %(days)d days.") % {"days": kind.longest_days}
            raise Invalid.field("never_expires", message)
        return None
    if lifetime.expires_at is None:
        return None if kind.default_days is None else now + timedelta(days=kind.default_days)
    if lifetime.expires_at <= now:
        raise Invalid.field(lifetime.field, _("The expiry must be in the future."))
    longest = kind.longest_days or MAX_DAYS
    if lifetime.expires_at > now + timedelta(days=longest, seconds=5):
        message = _("A key of this type lives at most %(days)d days.") % {"days": longest}
        raise Invalid.field(lifetime.field, message)
    return lifetime.expires_at


def parse_networks(networks: Iterable[str]) -> list[str]:
    """This will return networks in canonical CIDR form, without repeats; an address stands for itself alone."""
    found: list[str] = []
    for text in networks:
        try:
            network = str(ipaddress.ip_network(text.strip()))
        except ValueError:
            message = _("%(text)r is not an address or a network such as 203.0.113.0/24.") % {"text": text[:60]}
            raise Invalid.field("allowed_networks", message) from None
        if network not in found:
            found.append(network)
    if len(found) > MAX_NETWORKS:
        raise Invalid.field("allowed_networks", _("At most %(count)d networks.") % {"count": MAX_NETWORKS})
    return found


def check_limits(kind: KeyType, limits: dict[str, int | None], actor: Actor) -> dict[str, int | None]:
    """This will return own figures per window (None: the type's); more than the type's is the operator's to give."""
    figures: dict[str, int | None] = {}
    is_vendor = actor.kind in (ActorKind.SYSTEM, ActorKind.OPERATOR)
    for name in WINDOWS:
        wanted = limits.get(name)
        most = effective(name, None, getattr(kind, f"limit_{name}"))
        if wanted is not None and not is_vendor and (wanted < 1 or (most is not None and wanted > most)):
            message = _("%(name)s must be from 1 to %(most)s.") % {"name": name, "most": most or 2**31 - 1}
            raise Invalid.field("limits", message)
        figures[name] = wanted
    return figures


# A maker never gives more than it has


def check_maker(actor: Actor, scopes: Iterable[str]) -> None:
    """This will raise Forbidden where the maker lacks a scope that the key is to hold."""
    missing = [scope for scope in scopes if not actor.may_give(scope)]
    if missing:
        raise Forbidden(_("You cannot give what you do not have: %(scopes)s.") % {"scopes": ", ".join(missing)})


def check_maker_type(actor: Actor, kind: KeyType) -> None:
    """This will raise Forbidden where the type may hold a scope that the making key's type may not."""
    catalogue = frozenset(Scope.objects.values_list("name", flat=True))
    own = KeyType.objects.get(name=actor.bounds.key_type) if actor.bounds else kind
    if kind.holdable(catalogue) - own.holdable(catalogue):
        raise Forbidden(_("A key of type %(own)s cannot make keys of type %(type)s.") % {"own": own, "type": kind})


def within_expiry(actor: Actor, expires_at: datetime | None, asked: Lifetime | None) -> datetime | None:
    """This will cut the lifetime to the making key's; asking for a longer one is Forbidden."""
    ends = actor.bounds.expires_at if actor.bounds else None
    if ends is None:
        return expires_at
    limit = datetime.fromtimestamp(ends, tz=timezone.get_default_timezone())
    if expires_at is not None and expires_at <= limit:
        return expires_at
    if asked is not None and (asked.never or asked.expires_at is not None):
        raise Forbidden(_("A key cannot make one that outlives it (%(end)s).") % {"end": instant(limit)})
    return limit


def within_networks(actor: Actor, networks: list[str] | None) -> list[str] | None:
    """This will hand the making key's networks on; asking for others is Forbidden."""
    own = [ipaddress.ip_network(each) for each in actor.bounds.networks] if actor.bounds else []
    if not own:
        return networks
    if networks is None:
        return [str(each) for each in own]
    asked = [ipaddress.ip_network(each) for each in networks]
    covered = all(any(a.version == b.version and a.subnet_of(b) for b in own) for a in asked)  # type: ignore[arg-type]
    if not asked or not covered:
        raise Forbidden(_("A key cannot make one that may be used from more networks than itself."))
    return networks


def within_limits(
    actor: Actor, kind: KeyType, figures: dict[str, int | None], asked: dict[str, int | None]
) -> dict[str, int | None]:
    """This will cut the limits to the making key's; asking for more is Forbidden."""
    own = actor.bounds.limits if actor.bounds else {}
    for name in WINDOWS:
        most = own.get(name)
        figure = effective(name, figures[name], getattr(kind, f"limit_{name}"))
        if most is None or (figure is not None and figure <= most):
            continue
        if asked.get(name) is not None:
            raise Forbidden(_("A key cannot make one with a higher limit than its own (%(most)d).") % {"most": most})
        figures[name] = most
    return figures


def take_place(actor: Actor, kind: KeyType) -> None:
    """This will raise Conflict where the type's cap of live keys is reached.

    The organization's row is locked until the commit, so that simultaneous makers count one after the other (on
    SQLite the transaction itself is exclusive, for it begins IMMEDIATE).
    """
    if kind.cap is None:
        return
    lock_organization(actor)
    if ApiKey.objects.for_actor(actor).live().filter(key_type=kind).count() >= kind.cap:
        message = _("All %(cap)d keys of type %(type)s are in use. Revoke one to make another.")
        raise Conflict(message % {"cap": kind.cap, "type": kind.name}, "key_limit_reached")


def lock_organization(actor: Actor) -> None:
    """This will hold the organization's row until the transaction ends, where the database has row locks."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM orgs_organization WHERE id = %s FOR NO KEY UPDATE", [actor.organization_id])
