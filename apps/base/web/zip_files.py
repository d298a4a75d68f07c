"""ZIP files that are written while they are sent: no file on disk, and the same memory whatever they hold."""

import zipfile
from collections.abc import Iterable, Iterator

PIECE = 64 * 1024


class _Outlet:
    """A file that can only be written, and hands over what came."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        """Keep the bytes until they are taken."""
        self._pieces.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: whoever takes the bytes sends them."""

    def take(self) -> bytes:
        """Hand over what came since the last time."""
        data, self._pieces, self.size = b"".join(self._pieces), [], 0
        return data


def zip_stream(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """Return the bytes of a ZIP of named files, piece by piece; sizes follow each file (APPNOTE 4.3.9)."""
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]  # writing needs no more
        for name, lines in files:
            with archive.open(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as entry:
                for line in lines:
                    entry.write(line)
                    if outlet.size >= PIECE:
                        yield outlet.take()
            yield outlet.take()
    yield outlet.take()
