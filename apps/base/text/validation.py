"""Validation of free texts that are stored and shown: names, descriptions, reasons, references.

Each is one line, without invisible characters and without secrets. Every such text passes ``validate_plain_text``: API
bodies in ``fields.PlainText``, forms as a validator, actions in ``check_plain_text``.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apps.base.errors import Invalid
from apps.base.text.redaction import hide_keys

# Control characters, line and paragraph separators, explicit directional formatting (Unicode Standard Annex 9), and
# invisible characters (Default_Ignorable_Code_Point and the blank Braille pattern): they make list entries look alike.
INVISIBLE = (
    r"\u0000-\u001F\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B\u200E\u200F\u2028-\u202E"
    r"\u2060-\u206F\u2800\u3164\uFE00-\uFE0D\uFEFF\uFFA0\uFFF0-\uFFFB"
)
# The pattern in the OpenAPI document, for regex engines without code points beyond U+FFFF.
PLAIN_TEXT = f"^[^{INVISIBLE}]*$"
# Joiners are valid within words of some scripts and emoji, variation selectors after a symbol; elsewhere they hide.
_JOINABLE = r"[\u0600-\u109F\u1780-\u18AF\u2190-\u2BFF\uFE0F\U0001F000-\U0001FAFF]"
_VARIABLE = r"[0-9#*\u00A9\u00AE\u203C-\u3299\U0001F000-\U0001FAFF]"
INVISIBLE_CHARACTERS = re.compile(
    rf"[{INVISIBLE}\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]"
    rf"|(?<!{_JOINABLE})[\u200C\u200D]|[\u200C\u200D](?!{_JOINABLE})|(?<!{_VARIABLE})[\uFE0E\uFE0F]"
)


def validate_plain_text(text: str) -> None:
    """Raise ValidationError for a text with invisible characters, an API key or a signing secret."""
    if INVISIBLE_CHARACTERS.search(text):
        raise ValidationError(_("Use one line, without control characters or invisible characters."), "unreadable")
    if hide_keys(text) != text:
        raise ValidationError(
            _("This contains an API key or a signing secret. Leave it out: this text is stored and shown."), "secret"
        )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a suggestion of the closest known word, with a leading space, or an empty string."""
    near = get_close_matches(word, list(known), 1)
    return f" Did you mean {near[0]}?" if near else ""


def check_plain_text(field: str, text: str) -> None:
    """Raise Invalid, naming the field, where ``validate_plain_text`` refuses the text."""
    try:
        validate_plain_text(text)
    except ValidationError as error:
        raise Invalid.field(field, error.message) from None
