"""Which app keeps the keys of a prefix. Filled by ``api_keys`` and ``sdk_keys`` in ``AppConfig.ready``."""

import logging
import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from django.db import DatabaseError, transaction
from django.utils.module_loading import import_string

from apps.audit.timeline.sources import Party
from apps.base.actor import Actor
from apps.credentials.gate.key_rows import RowSource

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeyKind:
    """A kind of key: its prefix, and two dotted names, for it is registered before models can be imported.

    ``source``: the ``RowSource`` of its keys. ``leak_reporter(*, actor, key_id, where)`` does with a key that is public
    what its organization wants, by the key's public id.
    """

    prefix: str
    kind: str
    source: str
    leak_reporter: str

    @cached_property
    def rows(self) -> RowSource:
        """Where the gate reads keys of this kind."""
        return cast(RowSource, import_string(self.source))

    def report_leak(self, *, actor: Actor, key_id: str, where: str) -> None:
        """Hand a key that was found in public to the app that keeps it."""
        import_string(self.leak_reporter)(actor=actor, key_id=key_id, where=where)

    def keys(self) -> Any:
        """Return the rows of this kind, of every organization."""
        return cast(Any, self.rows.model).objects

    def parties(self, actor: Actor, most: int) -> list[Party]:
        """Return keys in every state, the newest ones, as the filters of the audit page offer them."""
        rows = self.keys().for_actor(actor).order_by("-pk")[:most]
        named = [Party(self.kind, row.public_id, f"{row.name} · {row.mask}") for row in rows]
        return sorted(named, key=lambda party: party.label.casefold())

    def redigest(self, pk: uuid.UUID, old_digest: str, new: tuple[str, str]) -> None:
        """Keep a key's digest under the current pepper; where that fails the next call tries again.

        ``new``: (digest, pepper id). Nothing changes where the digest is no longer the one that was read.
        """
        try:
            with transaction.atomic():
                self.keys().filter(pk=pk, digest=old_digest).update(digest=new[0], pepper_id=new[1])
        except DatabaseError as error:
            logger.warning("a key could not be digested anew: %s", type(error).__name__)


KINDS: dict[str, KeyKind] = {}


def register(kind: KeyKind) -> None:
    """Make a prefix known; the same prefix for another kind is a mistake."""
    if KINDS.setdefault(kind.prefix, kind) != kind:
        raise ValueError(f"two kinds of key with the prefix {kind.prefix}")
