"""The one table of what state a key is in: read by the gate, querysets, pages, API and operators' pages alike.

``STATUSES`` says for each state when it applies, what it refuses and how it looks; ``CHANGES`` what brings a key into a
state and out of it again. A further state is an entry here, and its column with a migration.

Longer than 300 lines because the texts of every state stand in it.
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
    """The word of each state in the API, worst first; its label is that of a filter."""

    REVOKED = "revoked", _("Revoked")
    EXPIRED = "expired", _("Expired")
    DISABLED = "disabled", _("Disabled")
    QUARANTINED = "quarantined", _("Quarantined")
    OVERLAP = "overlap", _("Overlap")
    EXPIRING = "expiring", _("Expires soon")
    ACTIVE = "active", _("Active")

    @property
    def has_ended(self) -> bool:
        """Whether a key in this state never works again."""
        return STATUSES[self].has_ended

    @property
    def operator_tone(self) -> str:
        """How it looks in the tables of operators."""
        return STATUSES[self].operator_tone or STATUSES[self].tone


class Refusal(NamedTuple):
    """What every request gets with a key in this state: 401, by code and sentence."""

    code: str
    text: str
    operators: Text  # what operators read of it
    names_author: bool = True  # whether they read who did it, too


class Restriction(NamedTuple):
    """What some requests get with a key in this state: 403, by one code; which, by sentence."""

    code: str
    writing: Text
    elsewhere: str  # from an address that it was not used from before
    activating: str  # a device that is new to the key
    operators: Text


class Banner(NamedTuple):
    """What the page of a key says of its state, and the one thing to do about it.

    ``title`` may name the day or the time of its end. ``text``: by kind of key where it is not one for all (``""``).
    ``offers``: of ``rotate``, ``revoke``, ``create``, ``calls`` (who still uses it) and the names of ``CHANGES``.
    """

    tone: str
    icon: str
    title: Text
    text: Mapping[str, Text]
    names_author: bool = False
    names_successor: bool = False
    offers: tuple[str, ...] = ()


class Attention(NamedTuple):
    """What the overview says of a key that needs somebody."""

    title: Text
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One state. It applies where a moment is set (``since``, a column), or its expiry is ``within`` a time, or always.

    ``operator_tone``: where operators see it in another color. ``change``: of ``CHANGES``, what brings a key into it.
    """

    tone: str
    badge: Text
    operator_tone: str = ""
    since: str = ""
    within: timedelta | None = None
    has_ended: bool = False
    change: str = ""
    refusal: Refusal | None = None
    restriction: Restriction | None = None
    final: Text = ""  # why it can only be read
    banner: Banner | None = None
    attention: Attention | None = None
    seconds: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        if self.within is not None:
            object.__setattr__(self, "seconds", self.within.total_seconds())

    def applies(self, since: Collection[str], left: float | None) -> bool:
        """Tell whether it applies: ``since`` are the columns that are set, ``left`` the seconds until the expiry."""
        if self.since:
            return self.since in since
        return self.within is None or (left is not None and left <= self.seconds)

    def condition(self, now: datetime) -> Q:
        """Return the same for a query."""
        if self.since:
            return Q((f"{self.since}__isnull", False))
        return Q() if self.within is None else Q(expires_at__lte=now + self.within)

    def otherwise(self, now: datetime) -> Q:
        """Return the opposite for a query, in the form that indexes have."""
        if self.since:
            return Q((self.since, None))
        return Q() if self.within is None else Q(expires_at=None) | Q(expires_at__gt=now + self.within)


STATUSES: dict[KeyStatus, Status] = {
    KeyStatus.REVOKED: Status(
        since="revoked_at",
        has_ended=True,
        change="revoke",
        tone="off",
        badge=_("Revoked"),
        operator_tone="bad",
        refusal=Refusal(
            "revoked_api_key",
            "This API key was revoked.",
            _("Revoked, so requests get 401 revoked_api_key. This is final."),
        ),
        final=_("This key is revoked; that is final. Create another."),
        banner=Banner(
            "",
            "info",
            _("Revoked."),
            {"": _("Calls with it answer 401 revoked_api_key. The page is kept for reading.")},
            names_author=True,
        ),
    ),
    KeyStatus.EXPIRED: Status(
        within=timedelta(0),
        has_ended=True,
        tone="bad",
        badge=_("Expired"),
        refusal=Refusal(
            "expired_api_key",
            "This API key has expired.",
            _("Expired on %(at)s, so requests get 401 expired_api_key. This is final."),
            names_author=False,
        ),
        final=_("This key has expired; it can only be read. Create another."),
        banner=Banner(
            "bad",
            "bad",
            _("Expired %(day)s."),
            {"": _("Calls with it answer 401 expired_api_key.")},
            names_successor=True,
            offers=("create",),
        ),
    ),
    KeyStatus.DISABLED: Status(
        since="disabled_at",
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
            names_author=True,
            offers=("enable",),
        ),
    ),
    KeyStatus.QUARANTINED: Status(
        since="quarantined_at",
        change="quarantine",
        tone="bad",
        badge=_("Quarantined"),
        operator_tone="warn",
        restriction=Restriction(
            "key_quarantined",
            writing=_("This key is quarantined: until it is released it may only read."),
            elsewhere="This key is quarantined and this address is new to it. An owner or admin can release it.",
            activating="This key is quarantined: no new device is activated with it.",
            operators=_(
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
            names_author=True,
            offers=("release", "revoke"),
        ),
        attention=Attention(
            _("The API key “%(name)s” is in quarantine"),
            _("It can only read. Make a new key and move over, or release it if all is well."),
        ),
    ),
    KeyStatus.OVERLAP: Status(
        since="overlap_since",
        tone="warn",
        badge=_("In overlap"),
        banner=Banner(
            "",
            "clock",
            _("This old key works until %(end)s."),
            {"": ""},
            names_successor=True,
            offers=("calls",),
        ),
    ),
    KeyStatus.EXPIRING: Status(
        within=EXPIRING,
        tone="warn",
        badge=_("Expires soon"),
        banner=Banner(
            "warn",
            "warn",
            _("Ends %(end)s."),
            {"": _("Rotate it now, and both keys work for the overlap that you choose.")},
            offers=("rotate",),
        ),
    ),
    KeyStatus.ACTIVE: Status(tone="ok", badge=_("Active")),
}
# What is set on a key, by column: the moment since when.
STATUS_COLUMNS = tuple(status.since for status in STATUSES.values() if status.since)
REFUSING = tuple((status, status.refusal) for status in STATUSES.values() if status.refusal)
RESTRICTIONS = {status.since: status.restriction for status in STATUSES.values() if status.restriction}
# The codes of all these errors, in the order in which the document of the API lists them.
ERROR_CODES = tuple(
    found.code
    for status in (STATUSES[word] for word in dict.fromkeys((KeyStatus.EXPIRED, *STATUSES)))
    if (found := status.refusal or status.restriction)
)
# As lists of keys offer them to choose from: what somebody did to a key, then what time does, then what rotating does.
FILTER_ORDER = sorted(STATUSES, key=lambda word: (not STATUSES[word].change, bool(STATUSES[word].since)))
FINAL_STATUSES = tuple(word for word, status in STATUSES.items() if status.has_ended)
# The mark of a call that such a key made.
QUARANTINE_FLAG = _("In quarantine")
RESTRICTED_STATUSES = tuple(word for word, status in STATUSES.items() if status.restriction)
# The states in which a key does all that it was made for.
WORKING_STATUSES = tuple(word for word, status in STATUSES.items() if not (status.refusal or status.restriction))


def status_of(since: Collection[str], left: float | None) -> KeyStatus:
    """Return the first state that applies: the worst one."""
    return next(word for word, status in STATUSES.items() if status.applies(since, left))


def refusal_of(since: Collection[str], left: float | None) -> Refusal | None:
    """Return what refuses every request, or None."""
    for status, refusal in REFUSING:
        if status.applies(since, left):
            return refusal
    return None


def restriction_of(since: Collection[str]) -> Restriction | None:
    """Return what refuses some requests, also where another state comes before it, or None."""
    return next((restriction for column, restriction in RESTRICTIONS.items() if column in since), None)


def in_status(word: str, now: datetime) -> Q:
    """Return the condition of a query for keys in exactly this state."""
    found = Q()
    for each, status in STATUSES.items():
        if each == word:
            return found & status.condition(now)
        found &= status.otherwise(now)
    raise ValueError(f"no state of a key: {word}")


def has_not_ended(now: datetime) -> Q:
    """Return the condition of a query for keys that are neither revoked nor expired."""
    return reduce(and_, (STATUSES[word].otherwise(now) for word in FINAL_STATUSES))


def is_working(now: datetime) -> Q:
    """Return the condition of a query for keys that do all that they were made for."""
    return reduce(and_, (status.otherwise(now) for word, status in STATUSES.items() if word not in WORKING_STATUSES))


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is done to a key: it sets the moment of a state, or takes it back.

    ``done``: the last word of its audit action. ``label``: its link in menus; empty where only operators and
    reports of leaks do it. ``button``, ``says``: how operators are asked. ``spreads``: whether it is done, too, to what
    the key made by rotating itself, for whoever had the text of the key has that of those.
    """

    column: str
    sets: bool
    done: str
    label: Text
    button: Text
    says: Text
    spreads: bool = False

    def applies_to(self, key: Any) -> bool:
        """Tell whether a key, as it is, can be changed so."""
        return not key.has_ended and (getattr(key, self.column) is None) == self.sets


# As the pages of operators offer them.
CHANGES: dict[str, Change] = {
    "disable": Change(
        "disabled_at",
        True,
        "disabled",
        _("Disable"),
        _("Disable"),
        _("Calls with the key are refused until somebody enables it, here or in the organization."),
    ),
    "enable": Change(
        "disabled_at", False, "enabled", _("Enable"), _("Enable"), _("The key works again as it did before.")
    ),
    "quarantine": Change(
        "quarantined_at",
        True,
        "quarantined",
        "",
        _("Put in quarantine"),
        _(
            "The key only reads, from addresses that it was used from before. "
            "One of an app keeps its devices and takes no new ones."
        ),
        spreads=True,
    ),
    "release": Change(
        "quarantined_at",
        False,
        "released",
        _("Release"),
        _("Release from quarantine"),
        _("The key may do again all that it was made for."),
    ),
    "revoke": Change(
        "revoked_at",
        True,
        "revoked",
        _("Revoke"),
        _("Revoke"),
        _("The key ends for good, at its next call. Nobody can take that back."),
    ),
}
# What the document of the API says of releasing a key of a kind.
ABOUT_RELEASE = "The end of a quarantine."
RELEASE = "Take %s out of quarantine."
# The moments of a key, as pages of operators list them.
TIMESTAMP_FIELDS = ("overlap_since", *dict.fromkeys(change.column for change in CHANGES.values()))
