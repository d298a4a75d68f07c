"""Errors that a caller can see, each with a stable code; ``base/error_codes.py`` has its status and advice.

Raised anywhere below the entry points; only ``base/rest/error_responses.py`` turns one into JSON, and only
``base/web/middleware.py`` into a page.
"""

from collections.abc import Mapping, Sequence

from django.core.exceptions import BadRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.base.error_codes import ERROR_CODES

Message = str | Promise
Fields = Mapping[str, Sequence[Message]]


class PortalError(Exception):
    """An error with a message, a code of ``ERROR_CODES``, and the messages of each invalid field."""

    def __init__(
        self,
        message: Message,
        code: str = "invalid_request",
        fields: Fields | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = ERROR_CODES[code].status
        self.fields = fields
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return str(self.message)


class Invalid(PortalError):
    """Input that cannot be accepted; ``fields`` names what to change."""

    def __init__(self, message: Message, fields: Fields | None = None) -> None:
        super().__init__(message, "invalid_request", fields)

    @classmethod
    def field(cls, name: str, message: Message) -> "Invalid":
        """Return an error of one field, with the message at the top and beside the field."""
        return cls(message, {name: [message]})


class Unauthorized(PortalError):
    """No valid credential (RFC 9110 section 15.5.2)."""

    def __init__(self, message: Message, code: str) -> None:
        super().__init__(message, code, headers={"WWW-Authenticate": f'Bearer realm="api", error="{code}"'})


class Forbidden(PortalError):
    """The caller can see the object but not do this; the message says why.

    ``needed``: where the role lacks a permission, those of which one is enough.
    """

    def __init__(self, message: Message, code: str = "forbidden", needed: Sequence[str] = ()) -> None:
        super().__init__(message, code)
        self.needed = tuple(needed)


class NotFound(PortalError):
    """No such object, or another organization's: a caller cannot tell the two apart."""

    def __init__(self, message: Message = "") -> None:
        super().__init__(message or _("Not found."), "not_found")


class Conflict(PortalError):
    """The state of the object does not allow this (RFC 9110 section 15.5.10)."""

    def __init__(self, message: Message, code: str = "conflict", fields: Fields | None = None) -> None:
        super().__init__(message, code, fields)


class PreconditionFailed(PortalError):
    """The object's ETag is not one that the caller expects (RFC 9110 section 15.5.13)."""

    def __init__(self, message: Message) -> None:
        super().__init__(message, "precondition_failed")


class RateLimited(PortalError):
    """Too many requests (RFC 6585 section 4); ``retry_after`` in whole seconds."""

    def __init__(self, message: Message, retry_after: int) -> None:
        super().__init__(message, "rate_limited", headers={"Retry-After": str(max(1, retry_after))})


class Busy(RateLimited):
    """All slots for heavy work are in use (``base/concurrency/heavy_work.py``)."""

    def __init__(self, message: Message) -> None:
        super().__init__(message, 1)


class BodyRefused(PortalError, BadRequest):
    """An unusable request body. As a BadRequest it also becomes a 400 where it is raised outside a view."""
