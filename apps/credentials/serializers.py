"""Bodies of the API for keys of any kind."""

from apps.base.serializers import StrictSerializer, Text
from apps.credentials.actions import LONGEST_PLACE


class LeakBody(StrictSerializer):
    """A key that was found in public, and where. Any text is taken for a key: the answer does not tell."""

    key = Text(max_length=1000)
    where = Text(max_length=LONGEST_PLACE, required=False, allow_blank=True)
