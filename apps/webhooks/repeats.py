"""Whether an event that comes again under its id is the same one.

Two bodies are the same where they mean the same JSON: the order of keys and the spelling of numbers do not count. A
digest of that is kept with the event, for the body goes when its days are over.
"""

import hashlib
import json
from decimal import Decimal
from typing import Any

from apps.webhooks.models import Event


def content_digest(event_type: str, data: Any) -> str:
    """Return a digest of what an event says, the same for every way to write the same JSON."""
    text = json.dumps([event_type, _plain(data)], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_same(first: Event, event_type: str, data: Any) -> bool:
    """Tell whether an event that is there says the same; of one from before digests were kept, by its body."""
    if first.content_digest is not None:
        return first.content_digest == content_digest(event_type, data)
    if first.body is None:
        return first.type == event_type
    return content_digest(first.type, json.loads(first.body)["data"]) == content_digest(event_type, data)


def _plain(value: Any) -> Any:
    """Write whole numbers in one way: 1, 1.0 and 1e0 are one value, and -0.0 is 0."""
    if isinstance(value, float):
        # By its shortest text: 1e23 is the number that people write so, and not the double's own, which ends otherwise.
        return int(Decimal(repr(value))) if value.is_integer() else value
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
