"""The form of every refusal of the guard: a code for programs, a sentence for people."""

from django.utils.functional import Promise


class Refused(ValueError):
    """Something may not be sent, or not there. ``message`` says in a sentence what to change."""

    def __init__(self, reason_code: str, message: str | Promise) -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code
        self.message = message

    def __str__(self) -> str:
        return str(self.message)
