"""API operations shared by keys of all kinds, and those of leak reports and descendants."""

from functools import partial

from apps.base.rest.fields import Choice, StrictString
from apps.base.rest.operations import Operation, Parameter, ResponseSpec
from apps.base.rest.serializers import EmptyBody, StrictSerializer
from apps.credentials.filters import MAX_NAME_LENGTH
from apps.credentials.key_status import RELEASE, KeyStatus
from apps.credentials.serializers import (
    CreatorId,
    DescendantsSerializer,
    EndDescendantsBody,
    EndedDescendantsSerializer,
    KeySerializer,
    LeakBody,
    LeakReportAcceptedSerializer,
    ReasonBody,
    RotateKeyBody,
)

KEY_FILTERS = (
    Parameter(
        "created_by",
        CreatorId("Only keys that this user or API key created, also by rotating. The id outlives the user."),
    ),
    Parameter("status", Choice(KeyStatus.values, "Only keys with one of these statuses."), many=True),
    Parameter(
        "name",
        StrictString("Only keys whose name contains this text, in upper or lower case.", max_length=MAX_NAME_LENGTH),
    ),
)


def lifecycle_operations(
    name: str,
    noun: str,
    key: type[KeySerializer],
    new_key: type[KeySerializer],
    *,
    update: tuple[str, type[StrictSerializer]],
    rotate: str,
    revoke: tuple[str, type[StrictSerializer]],
) -> dict[str, Operation]:
    """Return the operations of one key, keyed by the last words of their paths.

    ``name``: the suffix of the operation ids; ``noun``: the name of a key in summaries, with its article. The other
    arguments: summary and body of the operations that differ between kinds.
    """
    bare = noun.partition(" ")[2]
    now = {200: ResponseSpec("The key as it is now.", key)}
    made = {201: ResponseSpec("The successor, with its text this once.", new_key)}
    end = partial(Operation, step_up=True, error_codes=("conflict",))
    change = partial(Operation, step_up=True, error_codes=("forbidden", "conflict"))
    off, on = f"Switch {noun} off until it is enabled.", f"Switch a disabled {bare} on again."
    return {
        "get": Operation(f"get{name}", f"Return one {bare}.", {200: ResponseSpec("The key.", key)}),
        "update": change(f"update{name}", update[0], now, update[1]),
        "rotate": change(f"rotate{name}", rotate, made, RotateKeyBody),
        "revoke": end(f"revoke{name}", revoke[0], now, revoke[1]),
        "disable": end(f"disable{name}", off, now, ReasonBody),
        "enable": change(f"enable{name}", on, now, EmptyBody),
        "release": change(f"release{name}", RELEASE % noun, now, EmptyBody),
    }


REPORT_LEAK = Operation(
    "reportLeakedKey",
    "Take the report of a leaked key; the answer is the same whether there is such a key or not.",
    {202: ResponseSpec("Taken; the same whether there is such a key or not.", LeakReportAcceptedSerializer)},
    LeakBody,
)
LIST_DESCENDANTS = Operation(
    "listDescendants",
    "List what a user or an API key created that still works, also through keys that it created, oldest first.",
    {
        200: ResponseSpec(
            "The first 1,000, oldest first, of those kinds that the caller may read.", DescendantsSerializer
        )
    },
    parameters=(
        Parameter(
            "of",
            CreatorId("Whose descendants: a user or an API key, also one that was removed or has ended."),
            required=True,
        ),
    ),
)
END_DESCENDANTS = Operation(
    "endDescendants",
    "Revoke keys and invitations, remove members and pause endpoints that a user or an API key created.",
    {
        200: ResponseSpec(
            "What was ended, what was kept and why, and how many are left for another request.",
            EndedDescendantsSerializer,
        )
    },
    EndDescendantsBody,
    step_up=True,
)
