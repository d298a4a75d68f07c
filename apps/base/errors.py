"""Errors that a caller may see, each with a stable code; ``base/error_codes.py`` has its status and what to do.

Raised anywhere below the entry points; only ``base/rest/error_responses.py`` turns one into JSON, and only
``base/web/middleware.py`` into a page.
"""

from collections.abc import Mapping, Sequence

from django.core.exceptions import BadRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.base.error_codes import ERROR_CODES

Text = str | Promise
Fields = Mapping[str, Sequence[Text]]


class PortalError(Exception):
    """An error with a readable sentence, a code of the catalogue, and the fields to blame where there are any."""

    def __init__(
        self,
        message: Text,
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

    def __init__(self, message: Text, fields: Fields | None = None) -> None:
        super().__init__(message, "invalid_request", fields)

    @classmethod
    def field(cls, name: str, message: Text) -> "Invalid":
        """Blame one field, with the same sentence on top and beside it."""
        return cls(message, {name: [message]})


class Unauthorized(PortalError):
    """No valid credential (RFC 9110 section 15.5.2)."""

    def __init__(self, message: Text, code: str) -> None:
        super().__init__(message, code, headers={"WWW-Authenticate": f'Bearer realm="api", error="{code}"'})


class Forbidden(PortalError):
    """The caller's own thing, but not allowed; the sentence says why.

    ``needed``: the permissions, any of which would do, where it is a matter of the role.
    """

    def __init__(self, message: Text, code: str = "forbidden", needed: Sequence[str] = ()) -> None:
        super().__init__(message, code)
        self.needed = tuple(needed)


class NotFound(PortalError):
    """No such thing, or somebody else's: the two must look alike."""

    def __init__(self, message: Text = "") -> None:
        super().__init__(message or _("Not found."), "not_found")


class Conflict(PortalError):
    """The state of the thing does not allow this."""

    def __init__(self, message: Text, code: str = "conflict", fields: Fields | None = None) -> None:
        super().__init__(message, code, fields)


class PreconditionFailed(PortalError):
    """The thing is not what the caller says it is (RFC 9110 section 15.5.13)."""

    def __init__(self, message: Text) -> None:
        super().__init__(message, "precondition_failed")


class RateLimited(PortalError):
    """Too many calls; ``retry_after`` in whole seconds."""

    def __init__(self, message: Text, retry_after: int) -> None:
        super().__init__(message, "rate_limited", headers={"Retry-After": str(max(1, retry_after))})


class Busy(RateLimited):
    """There is too much heavy work at this moment (``base/concurrency/heavy_work.py``)."""

    def __init__(self, message: Text) -> None:
        super().__init__(message, 1)


class BodyRefused(PortalError, BadRequest):
    """A body that cannot be used as it came; to Django, which answers where no view is there yet, a bad request."""
