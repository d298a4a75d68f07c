"""Decode untrusted response headers and bodies to bounded text that every database can store (valid, without NUL)."""

import re
import zlib
from functools import lru_cache

_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9_-]{1,40})""", re.IGNORECASE)
# An allowlist: some of Python's codecs are slow, and its registry caches unknown names without limit.
_ALLOWED_CHARSETS = re.compile(
    r"utf-8|utf-(?:16|32)(?:[lb]e)?|iso-?8859-(?:[1-9]|1[0134-6])|(?:windows[-_]|cp)125[0-8]"
    r"|koi8[-_][ru]|big5|euc[-_](?:jp|kr)|gbk|gb2312|gb18030|shift[-_]jis|iso-2022-jp|ibm866|macintosh"
)
_FALLBACK_CHARSET = "cp1252"
# Browsers decode these labels as follows (https://encoding.spec.whatwg.org/#names-and-labels).
_CODEC_ALIASES = dict.fromkeys(("iso-8859-1", "iso8859-1", "latin1", "us-ascii", "ascii"), _FALLBACK_CHARSET) | {
    "utf8": "utf-8"
}
_BYTE_ORDER_MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
# Control characters that mark data as binary (https://mimesniff.spec.whatwg.org/#binary-data-byte).
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_ZLIB_WINDOWS = {"gzip": (47,), "x-gzip": (47,), "deflate": (47, -15)}
MAX_CODING_LENGTH = 40
MAX_CONTENT_TYPE_LENGTH = 200


def clean_text(raw: bytes) -> str:
    """Return header bytes as text: UTF-8, else Windows-1252, which many servers still send."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode(_FALLBACK_CHARSET, "replace")
    return text.replace("\x00", "")


def read_body(raw: bytes, headers: list[tuple[str, str]], is_truncated: bool, limit: int) -> tuple[str, bool]:
    """Return a body as text of at most ``limit`` bytes, and whether there was more.

    ``raw`` is the stored part of it. The charset of ``Content-Type`` is honored, and compression, which was not
    requested, is undone. Binary data becomes a placeholder in brackets.
    """
    content_type = coding = ""
    for name, value in headers:
        if name == "content-type":
            content_type = value
        elif name == "content-encoding":
            coding = value.lower()
    if coding and coding != "identity":
        inflated, has_more = _inflate(raw, coding, limit)
        if inflated is not None:
            raw, is_truncated = inflated, has_more
        elif not _is_text(raw):
            return f"[compressed with {coding[:MAX_CODING_LENGTH]}, not shown]", is_truncated
    return _truncated(_decode(raw, content_type, is_truncated), is_truncated, limit)


def _inflate(raw: bytes, coding: str, limit: int) -> tuple[bytes | None, bool]:
    """Decompress gzip or deflate up to ``limit`` bytes and return whether there is more; None where it is invalid."""
    for window in _ZLIB_WINDOWS.get(coding, ()):
        inflating = zlib.decompressobj(window)
        try:
            return inflating.decompress(raw, limit), not inflating.eof
        except zlib.error:
            continue
    return None, False


def _decode(raw: bytes, content_type: str, is_truncated: bool) -> str:
    charset = _charset(content_type[:MAX_CONTENT_TYPE_LENGTH]) if content_type else ""
    if charset in ("", "utf-8"):
        try:
            return raw.decode().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            head = raw[: error.start]
            # A character may be cut off at the end; one that is the only one outside ASCII is not taken for that.
            if error.reason == "unexpected end of data" and (is_truncated or not head.isascii()):
                return head.decode()
    for byte_order_mark, marked_charset in _BYTE_ORDER_MARKS:
        if raw.startswith(byte_order_mark):
            return raw[len(byte_order_mark) :].decode(marked_charset, "replace")
    if charset in ("", "utf-8") and _BINARY.search(raw):
        return "[binary data, not shown]"
    return raw.decode(charset or _FALLBACK_CHARSET, "replace")


@lru_cache(maxsize=256)
def _charset(content_type: str) -> str:
    """Return the codec for the charset of a ``Content-Type``, or an empty string."""
    match = _CHARSET.search(content_type)
    label = match[1].lower() if match else ""
    return _CODEC_ALIASES.get(label, label if _ALLOWED_CHARSETS.fullmatch(label) else "")


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return not _BINARY.search(raw)


def _truncated(text: str, is_truncated: bool, limit: int) -> tuple[str, bool]:
    text = text.replace("\x00", "")
    if len(text) * 4 <= limit:
        return text, is_truncated
    shortened = text.encode()[:limit].decode("utf-8", "ignore")
    return shortened, is_truncated or len(shortened) < len(text)
