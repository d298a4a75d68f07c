"""The kinds of keys by prefix, registered by ``api_keys`` and ``sdk_keys`` in ``AppConfig.ready``."""

import logging
import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from django.db import DatabaseError, transaction
from django.utils.module_loading import import_string

from apps.audit.timeline.sources import EntityRef
from apps.base.actor import Actor
from apps.credentials.gate.key_rows import RowSource

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeyKind:
    """A kind of key. It is registered before models can be imported, so it refers to code by dotted names.

    ``source``: the ``RowSource`` of its keys. ``leak_reporter(*, actor, key_id, where)`` applies the organization's
    leak policy to a key, given its public id.
    """

    prefix: str
    kind: str
    source: str
    leak_reporter: str

    @cached_property
    def rows(self) -> RowSource:
        """The source from which the gate reads keys of this kind."""
        return cast(RowSource, import_string(self.source))

    def report_leak(self, *, actor: Actor, key_id: str, where: str) -> None:
        """Apply the organization's leak policy to a key that was found in public."""
        import_string(self.leak_reporter)(actor=actor, key_id=key_id, where=where)

    def keys(self) -> Any:
        """Return the queryset of this kind, across organizations."""
        return cast(Any, self.rows.model).objects

    def filter_options(self, actor: Actor, limit: int) -> list[EntityRef]:
        """Return the newest keys in any state as filter options of the audit page."""
        rows = self.keys().for_actor(actor).order_by("-pk")[:limit]
        named = [EntityRef(self.kind, row.public_id, f"{row.name} · {row.mask}") for row in rows]
        return sorted(named, key=lambda party: party.label.casefold())

    def store_digest(self, pk: uuid.UUID, old_digest: str, new: tuple[str, str]) -> None:
        """Store a key's digest under the current pepper; after a database error the next request tries again.

        ``new``: (digest, pepper id). Nothing changes where the digest was changed since it was read.
        """
        try:
            with transaction.atomic():
                self.keys().filter(pk=pk, digest=old_digest).update(digest=new[0], pepper_id=new[1])
        except DatabaseError as error:
            logger.warning("a key could not be digested anew: %s", type(error).__name__)


KEY_KINDS: dict[str, KeyKind] = {}


def register(kind: KeyKind) -> None:
    """Register a kind of key; raise ValueError where another kind has its prefix."""
    if KEY_KINDS.setdefault(kind.prefix, kind) != kind:
        raise ValueError(f"two kinds of key with the prefix {kind.prefix}")
