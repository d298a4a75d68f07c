"""Which app keeps the keys of a prefix. Filled by ``api_keys`` and ``sdk_keys`` in ``AppConfig.ready``.

Holds dotted names, resolved at first use: this app imports neither of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.module_loading import import_string

Accept = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class KeyKind:
    """A kind of key: its prefix and the dotted name of ``load(key_id, accept) -> KeyRow | None``."""

    prefix: str
    kind: str
    loader: str

    def load(self, key_id: str, accept: Accept) -> Any:
        """This will read the key's row for the gate, or return None where ``accept`` refuses its digest.

        ``accept`` takes a digest and the id of its pepper; for an unknown id it is asked about a dummy, so that both
        ways take the same steps.
        """
        load: Callable[[str, Accept], Any] = import_string(self.loader)
        return load(key_id, accept)


DUMMY_DIGEST = "0" * 64
KINDS: dict[str, KeyKind] = {}


def register(kind: KeyKind) -> None:
    """This will make a prefix known; the same prefix for another kind is a mistake."""
    if KINDS.setdefault(kind.prefix, kind) != kind:
        raise ValueError(f"two kinds of key with the prefix {kind.prefix}")
