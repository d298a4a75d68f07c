"""The key types that an organization can choose from, with what is left of each cap."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.api_keys.actions.rules import check_may_create_type
from apps.api_keys.models import EVERY_SCOPE, ApiKey, KeyType, Package, Scope
from apps.api_keys.view_models.facts import limit_texts
from apps.api_keys.view_models.scope_grid import ScopeChoices
from apps.base.actor import Actor
from apps.base.errors import Forbidden
from apps.base.permissions import ADMIN
from apps.orgs.lookups import longest_key_days

CAP_REACHED, DISABLED, RESERVED = "full", "off", "others"


@dataclass(frozen=True, slots=True)
class CreationRefusal:
    """Why a key of a type cannot be created now: cap reached, disabled, or reserved for owners or operators."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class KeyTypeOptions:
    """The key types and scopes that the actor's organization can choose from, and the live keys per type."""

    actor: Actor
    types: list[KeyType]
    scopes: list[Scope]
    package: Package | None
    active_counts: dict[int, int]
    organization_max_days: int | None

    @classmethod
    def for_actor(cls, actor: Actor) -> "KeyTypeOptions":
        """Read types, scopes, package, live keys per type and the maximum lifetime: five queries."""
        counted = ApiKey.objects.for_actor(actor).live().values("key_type").annotate(count=Count("pk"))
        return cls(
            actor=actor,
            types=list(KeyType.objects.for_customers()),
            scopes=list(Scope.objects.all()),
            package=Package.objects.filter(pk=actor.organization_id).first(),
            active_counts={row["key_type"]: row["count"] for row in counted.order_by()},
            organization_max_days=longest_key_days(actor.organization_id),
        )

    def find(self, name: str) -> KeyType | None:
        """Return the type with that name, or None."""
        return next((key_type for key_type in self.types if key_type.name == name), None)

    @property
    def contact(self) -> str:
        """Return whom to contact about disabled types and scopes."""
        return (self.package or Package()).contact_text

    def scope_choices(self, key_type: KeyType) -> ScopeChoices:
        """Return the scopes of the type, disabled ones included, and those that the actor can grant."""
        allowed_scopes = key_type.allowed_scopes(frozenset(scope.name for scope in self.scopes))
        off = allowed_scopes.intersection(self.package.scopes_off if self.package else ())
        grantable = self.actor.grantable_of(allowed_scopes - off)
        return ScopeChoices(self.scopes, allowed_scopes, grantable, self.contact if off else "")

    def remaining(self, key_type: KeyType) -> int | None:
        """Return how many more keys of the type can be created, or None for no limit."""
        return None if key_type.cap is None else max(0, key_type.cap - self.active_counts.get(key_type.pk, 0))

    def max_lifetime_days(self, key_type: KeyType) -> int | None:
        """Return the maximum lifetime in days, or None for no limit."""
        return min(
            (days for days in (self.organization_max_days, key_type.longest_days) if days is not None), default=None
        )

    def default_lifetime_days(self, key_type: KeyType) -> int | None:
        """Return the default lifetime in days, or None for no expiry."""
        maximum = self.max_lifetime_days(key_type)
        return min((days for days in (key_type.default_days, maximum) if days is not None), default=None)

    def refusal(self, key_type: KeyType) -> CreationRefusal | None:
        """Return why the actor cannot create a key of the type now, or None; the action checks again."""
        if self.package and key_type.name in self.package.types_off:
            return CreationRefusal(DISABLED, _("Not part of your package. %(contact)s") % {"contact": self.contact})
        try:
            check_may_create_type(self.actor, key_type)
        except Forbidden as error:
            return CreationRefusal(RESERVED, str(error))
        if self.remaining(key_type) == 0:
            text = ngettext(
                "The only key of this type is in use. Revoke it to make another.",
                "All %(cap)d keys of this type are in use. Revoke one to make another.",
                key_type.cap or 0,
            )
            return CreationRefusal(CAP_REACHED, text % {"cap": key_type.cap or 0})
        return None


def type_cards(type_options: KeyTypeOptions) -> list[dict[str, Any]]:
    """Return the card of each type."""
    return [type_card(type_options, key_type) for key_type in type_options.types]


def type_card(type_options: KeyTypeOptions, key_type: KeyType) -> dict[str, Any]:
    """Return the context of a type's card."""
    refusal = type_options.refusal(key_type)
    return {
        "value": key_type.name,
        "title": key_type.title_text,
        "text": key_type.description_text,
        "holds": _scopes_text(type_options, key_type),
        "limits": ", ".join(limit_texts(key_type)) or _("No rate limit"),
        "lifetime": _lifetime(type_options, key_type),
        "used": type_options.active_counts.get(key_type.pk, 0),
        "cap": key_type.cap,
        "left": type_options.remaining(key_type),
        "disabled": refusal is not None,
        "reason": refusal.text if refusal else "",
        "is_full": refusal is not None and refusal.reason == CAP_REACHED,
    }


def _scopes_text(type_options: KeyTypeOptions, key_type: KeyType) -> str:
    if EVERY_SCOPE in key_type.scopes:
        return _("Every right, and admin") if key_type.may_hold_admin else _("Every right but admin")
    names = type_options.scope_choices(key_type).allowed_scopes
    held = [scope.name for scope in type_options.scopes if scope.name in names]
    shown = [name for name in held if name.removesuffix(":read") + ":write" not in names]
    return ", ".join([*shown, *([ADMIN] if ADMIN in names else [])]) or _("Nothing")


def _lifetime(type_options: KeyTypeOptions, key_type: KeyType) -> str:
    default, maximum = type_options.default_lifetime_days(key_type), type_options.max_lifetime_days(key_type)
    if default is None:
        return _("No expiry unless chosen")
    values = {"usual": default, "longest": maximum}
    if maximum is None:
        return _("%(usual)d days unless chosen, or no expiry") % values
    return _("%(usual)d days unless chosen, %(longest)d at most") % values
