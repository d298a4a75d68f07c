"""Bodies of the API for keys of any kind."""

from typing import Any

from apps.base.descendants import Descendant
from apps.base.instants import instant
from apps.base.serializers import NOT_GIVEN_BACK, Opaque, StrictSerializer, Text, TextList, Whole
from apps.credentials.actions import LONGEST_PLACE
from apps.credentials.filters import CREATOR
from apps.credentials.lifecycle import LONGEST_OVERLAP
from apps.credentials.rules import LONGEST_REASON

USUAL_OVERLAP_SECONDS = 24 * 3600
LONGEST_OVERLAP_SECONDS = int(LONGEST_OVERLAP.total_seconds())


class LeakBody(StrictSerializer):
    """A key that was found in public, and where. Any text is taken for a key: the answer does not tell."""

    key = Opaque(max_length=1000, style=NOT_GIVEN_BACK)
    where = Opaque(max_length=LONGEST_PLACE, required=False, allow_blank=True)


class CreatorId(Text):
    """The public id of a user or of an API key, who may be gone by now."""

    default_error_messages = {"creator": "Send the id of a user or of an API key: user_… or key_…."}

    def to_internal_value(self, data: Any) -> str:
        """Refuse what has another form."""
        text = super().to_internal_value(data)
        if not CREATOR.fullmatch(text):
            self.fail("creator")
        return text


class EndDescendantsBody(StrictSerializer):
    """Whose descendants are ended, which of them (all where it is left out), and why."""

    of = CreatorId(max_length=40)
    only = TextList(required=False, min_length=1, max_length=1000)
    reason = Text(max_length=LONGEST_REASON, required=False, allow_blank=True)


class RotateBody(StrictSerializer):
    """How long the old key goes on working, in seconds: 0 (not at all) to 30 days."""

    overlap_seconds = Whole(min_value=0, max_value=LONGEST_OVERLAP_SECONDS, default=USUAL_OVERLAP_SECONDS)


class NothingBody(StrictSerializer):
    """A body without fields: the path says everything."""


class ReasonBody(StrictSerializer):
    """Why a key is ended."""

    reason = Text(max_length=LONGEST_REASON, required=False, allow_blank=True)


def write_descendant(row: Descendant) -> dict[str, Any]:
    """Return something that was created, as the API shows it."""
    return {
        "kind": row.kind,
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "created_at": instant(row.created_at),
        "created_by": {"kind": row.created_by_kind, "id": row.created_by_id, "label": row.created_by_label},
    }
