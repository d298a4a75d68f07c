"""Bodies of the API for keys of any kind."""

from apps.base.serializers import NOT_GIVEN_BACK, Opaque, StrictSerializer, Text, Whole
from apps.credentials.actions import LONGEST_PLACE
from apps.credentials.lifecycle import LONGEST_OVERLAP
from apps.credentials.rules import LONGEST_REASON

USUAL_OVERLAP_SECONDS = 24 * 3600
LONGEST_OVERLAP_SECONDS = int(LONGEST_OVERLAP.total_seconds())


class LeakBody(StrictSerializer):
    """A key that was found in public, and where. Any text is taken for a key: the answer does not tell."""

    key = Opaque(max_length=1000, style=NOT_GIVEN_BACK)
    where = Opaque(max_length=LONGEST_PLACE, required=False, allow_blank=True)


class RotateBody(StrictSerializer):
    """How long the old key goes on working, in seconds: 0 (not at all) to 30 days."""

    overlap_seconds = Whole(min_value=0, max_value=LONGEST_OVERLAP_SECONDS, default=USUAL_OVERLAP_SECONDS)


class NothingBody(StrictSerializer):
    """A body without fields: the path says everything."""


class ReasonBody(StrictSerializer):
    """Why a key is ended."""

    reason = Text(max_length=LONGEST_REASON, required=False, allow_blank=True)
