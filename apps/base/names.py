"""What people, keys and passkeys may be called: one line that reads as it is written."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from apps.base.errors import Invalid

# Control characters, ends of lines and paragraphs, and what turns the direction of the text around it
# (Unicode Standard Annex 9, explicit formatting): with those one entry of a list can look like another.
PLAIN_NAME = r"^[^\u0000-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E\u2066-\u2069]*$"
plain_name = RegexValidator(
    re.compile(PLAIN_NAME.removesuffix("$") + r"\Z"),
    _("Write this on one line, without control characters or marks that turn the direction of text."),
)


def refuse_other_than_plain(field: str, name: str) -> None:
    """This will raise Invalid, naming the field, for a name that does not read as it is written."""
    try:
        plain_name(name)
    except ValidationError as error:
        raise Invalid.field(field, error.message) from None
