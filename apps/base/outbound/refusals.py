"""The base class of the guard's errors: a code for programs and a message for users."""

from django.utils.functional import Promise


class Refused(ValueError):
    """A destination or header is not allowed. ``message`` is a sentence that says what to change."""

    def __init__(self, reason_code: str, message: str | Promise) -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code
        self.message = message

    def __str__(self) -> str:
        return str(self.message)
