"""Which app keeps the keys of a prefix. Filled by ``api_keys`` and ``sdk_keys`` in ``AppConfig.ready``.

Holds dotted names, resolved at first use: this app imports neither of them.
"""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import DatabaseError, transaction
from django.utils.module_loading import import_string

from apps.base.actor import Actor

logger = logging.getLogger(__name__)
Accept = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class KeyKind:
    """A kind of key: its prefix, its model and two dotted names.

    ``load(key_id, accept) -> KeyRow | None`` reads a key for the gate; ``report_leak(*, actor, key_id, where)`` does
    with a key that is public what its organization wants, by the key's public id.
    """

    prefix: str
    kind: str
    model: str
    loader: str
    leak_reporter: str

    def load(self, key_id: str, accept: Accept) -> Any:
        """This will read the key's row for the gate, or return None where ``accept`` refuses its digest.

        ``accept`` takes a digest and the id of its pepper; for an unknown id it is asked about a dummy, so that both
        ways take the same steps.
        """
        load: Callable[[str, Accept], Any] = import_string(self.loader)
        return load(key_id, accept)

    def report_leak(self, *, actor: Actor, key_id: str, where: str) -> None:
        """This will hand a key that was found in public to the app that keeps it."""
        import_string(self.leak_reporter)(actor=actor, key_id=key_id, where=where)

    def keys(self) -> Any:
        """This will return the rows of this kind, of every organization."""
        return apps.get_model(self.model).objects

    def redigest(self, pk: uuid.UUID, old_digest: str, new: tuple[str, str]) -> None:
        """This will keep a key's digest under the current pepper; where that fails the next call tries again.

        ``new``: (digest, pepper id). Nothing changes where the digest is no longer the one that was read.
        """
        try:
            with transaction.atomic():
                self.keys().filter(pk=pk, digest=old_digest).update(digest=new[0], pepper_id=new[1])
        except DatabaseError as error:
            logger.warning("a key could not be digested anew: %s", type(error).__name__)


DUMMY_DIGEST = "0" * 64
KINDS: dict[str, KeyKind] = {}


def register(kind: KeyKind) -> None:
    """This will make a prefix known; the same prefix for another kind is a mistake."""
    if KINDS.setdefault(kind.prefix, kind) != kind:
        raise ValueError(f"two kinds of key with the prefix {kind.prefix}")
