"""The table of key states, read by the gate, querysets, pages, the API and the admin alike.

``STATUSES`` defines for each state when it applies, what it refuses and how it is displayed; ``CHANGES`` the changes
that enter and leave a state. To add a state, add an entry here and a migration for its column.

Longer than 300 lines because it contains the texts of every state.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import and_
from typing import Any, NamedTuple

from django.db.models import Q, TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

EXPIRING = timedelta(days=14)
Text = str | Promise


class KeyStatus(TextChoices):
    """The states as the API names them, most severe first; the labels are used by filters."""

    REVOKED = "revoked", _("Revoked")
    EXPIRED = "expired", _("Expired")
    DISABLED = "disabled", _("Disabled")
    QUARANTINED = "quarantined", _("Quarantined")
    OVERLAP = "overlap", _("Overlap")
    EXPIRING = "expiring", _("Expires soon")
    ACTIVE = "active", _("Active")

    @property
    def is_final(self) -> bool:
        """Whether this state is final."""
        return STATUSES[self].is_final

    @property
    def operator_tone(self) -> str:
        """The tone of the badge in the admin."""
        return STATUSES[self].operator_tone or STATUSES[self].tone


class Refusal(NamedTuple):
    """The 401 that every request with a key in this state gets."""

    code: str
    text: str
    admin_text: Text  # shown in the admin
    shows_changed_by: bool = True  # whether the admin also shows who changed the state


class Restriction(NamedTuple):
    """The 403 that some requests with a key in this state get: one code, a sentence for each case."""

    code: str
    write_error: Text
    address_error: str  # from an address that the key was not used from before
    activation_error: str  # of a device that has no activation yet
    admin_text: Text


class Banner(NamedTuple):
    """The banner on a key's page: what its state means and what to do about it.

    ``title`` can contain ``%(day)s`` or ``%(end)s``, the expiry. ``text``: by kind of key; ``""`` is for all kinds.
    ``buttons``: ``rotate``, ``revoke``, ``create``, ``calls`` (the key's requests) and names of ``CHANGES``.
    """

    tone: str
    icon: str
    title: Text
    text: Mapping[str, Text]
    shows_changed_by: bool = False
    shows_successor: bool = False
    buttons: tuple[str, ...] = ()


class Attention(NamedTuple):
    """The entry on the overview page for a key that needs attention."""

    title: Text
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One state. It applies where ``column`` is not null, or where the key ``expires_within`` a time, or always.

    ``operator_tone``: the tone in the admin where it differs. ``change``: the name in ``CHANGES`` that enters it.
    """

    tone: str
    badge: Text
    operator_tone: str = ""
    column: str = ""
    expires_within: timedelta | None = None
    is_final: bool = False
    change: str = ""
    refusal: Refusal | None = None
    restriction: Restriction | None = None
    change_error: Text = ""  # the error when the key is changed
    banner: Banner | None = None
    attention: Attention | None = None
    seconds: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        if self.expires_within is not None:
            object.__setattr__(self, "seconds", self.expires_within.total_seconds())

    def applies(self, columns_set: Collection[str], seconds_left: float | None) -> bool:
        """Return whether the state applies to a key.

        ``columns_set``: its status columns that are not null; ``seconds_left``: until its expiry, None without one.
        """
        if self.column:
            return self.column in columns_set
        return self.expires_within is None or (seconds_left is not None and seconds_left <= self.seconds)

    def condition(self, now: datetime) -> Q:
        """Return ``applies`` as a query condition."""
        if self.column:
            return Q((f"{self.column}__isnull", False))
        return Q() if self.expires_within is None else Q(expires_at__lte=now + self.expires_within)

    def negated_condition(self, now: datetime) -> Q:
        """Return the negation of ``condition``, in the form that the partial indexes use."""
        if self.column:
            return Q((self.column, None))
        return Q() if self.expires_within is None else Q(expires_at=None) | Q(expires_at__gt=now + self.expires_within)


STATUSES: dict[KeyStatus, Status] = {
    KeyStatus.REVOKED: Status(
        column="revoked_at",
        is_final=True,
        change="revoke",
        tone="off",
        badge=_("Revoked"),
        operator_tone="bad",
        refusal=Refusal(
            "revoked_api_key",
            "This API key was revoked.",
            _("Revoked, so requests get 401 revoked_api_key. This is final."),
        ),
        change_error=_("This key is revoked; that is final. Create another."),
        banner=Banner(
            "",
            "info",
            _("Revoked."),
            {"": _("Calls with it answer 401 revoked_api_key. The page is kept for reading.")},
            shows_changed_by=True,
        ),
    ),
    KeyStatus.EXPIRED: Status(
        expires_within=timedelta(0),
        is_final=True,
        tone="bad",
        badge=_("Expired"),
        refusal=Refusal(
            "expired_api_key",
            "This API key has expired.",
            _("Expired on %(at)s, so requests get 401 expired_api_key. This is final."),
            shows_changed_by=False,
        ),
        change_error=_("This key has expired; it can only be read. Create another."),
        banner=Banner(
            "bad",
            "bad",
            _("Expired %(day)s."),
            {"": _("Calls with it answer 401 expired_api_key.")},
            shows_successor=True,
            buttons=("create",),
        ),
    ),
    KeyStatus.DISABLED: Status(
        column="disabled_at",
        change="disable",
        tone="off",
        badge=_("Disabled"),
        operator_tone="bad",
        refusal=Refusal(
            "disabled_api_key",
            "This API key is disabled.",
            _("Disabled, so requests get 401 disabled_api_key until it is enabled."),
        ),
        banner=Banner(
            "warn",
            "warn",
            _("Disabled."),
            {"": _("Calls with it answer 401 disabled_api_key until it is enabled again.")},
            shows_changed_by=True,
            buttons=("enable",),
        ),
    ),
    KeyStatus.QUARANTINED: Status(
        column="quarantined_at",
        change="quarantine",
        tone="bad",
        badge=_("Quarantined"),
        operator_tone="warn",
        restriction=Restriction(
            "key_quarantined",
            write_error=_("This key is quarantined: until it is released it may only read."),
            address_error="This key is quarantined and this address is new to it. An owner or admin can release it.",
            activation_error="This key is quarantined: no new device is activated with it.",
            admin_text=_(
                "Quarantined: it can only read, from IP addresses it used before. Others get 403 key_quarantined."
            ),
        ),
        banner=Banner(
            "bad",
            "bad",
            _("Quarantined: it may be in the wrong hands."),
            {
                "api_key": _(
                    "It may only read, and only from addresses that it was used from before; everything else answers"
                    " 403 key_quarantined. Each of its calls is marked below."
                ),
                "sdk_key": _(
                    "Devices that have a place go on, from addresses seen before. No new device gets one: 403"
                    " key_quarantined."
                ),
            },
            shows_changed_by=True,
            buttons=("release", "revoke"),
        ),
        attention=Attention(
            _("The API key “%(name)s” is in quarantine"),
            _("It can only read. Make a new key and move over, or release it if all is well."),
        ),
    ),
    KeyStatus.OVERLAP: Status(
        column="overlap_since",
        tone="warn",
        badge=_("In overlap"),
        banner=Banner(
            "",
            "clock",
            _("This old key works until %(end)s."),
            {"": ""},
            shows_successor=True,
            buttons=("calls",),
        ),
    ),
    KeyStatus.EXPIRING: Status(
        expires_within=EXPIRING,
        tone="warn",
        badge=_("Expires soon"),
        banner=Banner(
            "warn",
            "warn",
            _("Ends %(end)s."),
            {"": _("Rotate it now, and both keys work for the overlap that you choose.")},
            buttons=("rotate",),
        ),
    ),
    KeyStatus.ACTIVE: Status(tone="ok", badge=_("Active")),
}
# Columns with the time at which a key entered a state.
STATUS_COLUMNS = tuple(status.column for status in STATUSES.values() if status.column)
REFUSING = tuple((status, status.refusal) for status in STATUSES.values() if status.refusal)
RESTRICTIONS = {status.column: status.restriction for status in STATUSES.values() if status.restriction}
# The codes of all these errors, in the order of the OpenAPI document.
ERROR_CODES = tuple(
    found.code
    for status in (STATUSES[name] for name in dict.fromkeys((KeyStatus.EXPIRED, *STATUSES)))
    if (found := status.refusal or status.restriction)
)
# The order in status filters: states that a user sets, then those that follow from the expiry, then overlap.
FILTER_ORDER = sorted(STATUSES, key=lambda name: (not STATUSES[name].change, bool(STATUSES[name].column)))
FINAL_STATUSES = tuple(name for name, status in STATUSES.items() if status.is_final)
# The badge of requests that a quarantined key sent.
QUARANTINE_FLAG = _("In quarantine")
RESTRICTED_STATUSES = tuple(name for name, status in STATUSES.items() if status.restriction)
# The states without refusal or restriction.
WORKING_STATUSES = tuple(name for name, status in STATUSES.items() if not (status.refusal or status.restriction))


def status_of(columns_set: Collection[str], seconds_left: float | None) -> KeyStatus:
    """Return the most severe state that applies."""
    for name, status in STATUSES.items():
        if status.applies(columns_set, seconds_left):
            return name
    raise AssertionError("the last status always applies")


def refusal_of(columns_set: Collection[str], seconds_left: float | None) -> Refusal | None:
    """Return the refusal of every request, or None."""
    for status, refusal in REFUSING:
        if status.applies(columns_set, seconds_left):
            return refusal
    return None


def restriction_of(columns_set: Collection[str]) -> Restriction | None:
    """Return the restriction, also where a more severe state applies, or None."""
    return next((restriction for column, restriction in RESTRICTIONS.items() if column in columns_set), None)


def in_status(name: str, now: datetime) -> Q:
    """Return the query condition for keys in exactly this state."""
    found = Q()
    for each, status in STATUSES.items():
        if each == name:
            return found & status.condition(now)
        found &= status.negated_condition(now)
    raise ValueError(f"no state of a key: {name}")


def not_revoked_or_expired(now: datetime) -> Q:
    """Return the query condition for keys that are neither revoked nor expired."""
    return reduce(and_, (STATUSES[name].negated_condition(now) for name in FINAL_STATUSES))


def unrestricted(now: datetime) -> Q:
    """Return the query condition for keys without refusal or restriction."""
    return reduce(
        and_, (status.negated_condition(now) for name, status in STATUSES.items() if name not in WORKING_STATUSES)
    )


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a key's state: it sets (``sets_column``) or clears the ``column`` of a state.

    ``audit_verb``: the last part of its audit action. ``button``, ``description``: the texts of its form in the admin.
    ``includes_successors``: whether it extends to keys that the key created by rotating itself, because the holder of a
    key has those too.
    """

    column: str
    sets_column: bool
    audit_verb: str
    button: Text
    description: Text
    includes_successors: bool = False

    def applies_to(self, key: Any) -> bool:
        """Return whether the change is possible in the key's current state."""
        return not key.is_revoked_or_expired and (getattr(key, self.column) is None) == self.sets_column


# In the order of the links in the admin.
CHANGES: dict[str, Change] = {
    "disable": Change(
        "disabled_at",
        True,
        "disabled",
        _("Disable"),
        _("Calls with the key are refused until somebody enables it, here or in the organization."),
    ),
    "enable": Change("disabled_at", False, "enabled", _("Enable"), _("The key works again as it did before.")),
    "quarantine": Change(
        "quarantined_at",
        True,
        "quarantined",
        _("Put in quarantine"),
        _(
            "The key only reads, from addresses that it was used from before. "
            "One of an app keeps its devices and takes no new ones."
        ),
        includes_successors=True,
    ),
    "release": Change(
        "quarantined_at",
        False,
        "released",
        _("Release from quarantine"),
        _("The key may do again all that it was made for."),
    ),
    "revoke": Change(
        "revoked_at",
        True,
        "revoked",
        _("Revoke"),
        _("The key ends for good, at its next call. Nobody can take that back."),
    ),
}
# Texts of the release operation in the OpenAPI document.
ABOUT_RELEASE = "The end of a quarantine."
RELEASE = "Take %s out of quarantine."
# The timestamps of a key, as the admin lists them.
TIMESTAMP_FIELDS = ("overlap_since", *dict.fromkeys(change.column for change in CHANGES.values()))
