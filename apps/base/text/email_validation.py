"""Email addresses: validation, and the canonical spelling for storage, display and lookups."""

import re

import idna
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator, validate_email

from apps.base.errors import Invalid
from apps.base.text.validation import validate_plain_text

MAX_ADDRESS_LENGTH = 254
# Longer texts are rejected before their domain is parsed.
MAX_PARSED_LENGTH = 320
# UTS 46 accepts each of these as the dot between two labels.
DOTS = re.compile("[.\u3002\uff0e\uff61]")


def normalize_email(text: str) -> str:
    """Return the canonical spelling of an address: lower case, the domain in Unicode (UTS 46, non-transitional).

    A browser sends ``xn--bcher-kva.example`` where an API client sends ``bücher.example``. An invalid address is
    returned trimmed; no account has it.
    """
    local, at, domain = text.strip().rpartition("@")
    local = local.lower() if local.isascii() else local
    if not _is_international(domain):
        return local + at + domain.lower()
    try:
        return local + at + idna.decode(_ascii_domain(domain))
    except (idna.IDNAError, UnicodeError):
        return local + at + domain


def ascii_email(address: str) -> str:
    """Return the address for mail servers, with the domain in ASCII; unchanged where the domain is invalid."""
    local, at, domain = address.rpartition("@")
    try:
        return f"{local}{at}{_ascii_domain(domain)}" if _is_international(domain) else address
    except (idna.IDNAError, UnicodeError):
        return address


def email_spellings(text: str) -> set[str]:
    """Return the spellings under which older accounts can be stored, the canonical one included."""
    canonical = normalize_email(text)
    return {canonical, ascii_email(canonical), text.strip().lower()}


def validate_email_address(text: str) -> None:
    """Raise ValidationError for an invalid address, or one with invisible or look-alike characters."""
    local, _at, domain = text.rpartition("@")
    try:
        validate_plain_text(text)
        if not local.isascii() or len(text) > MAX_PARSED_LENGTH:
            raise ValidationError("")
        ascii_form = f"{local}@{_ascii_domain(domain) if _is_international(domain) else domain}"
        validate_email(ascii_form)
    except (ValidationError, idna.IDNAError, UnicodeError):
        ascii_form = ""
    if not 0 < len(ascii_form) <= MAX_ADDRESS_LENGTH:
        raise ValidationError(EmailValidator.message, code="invalid")


def check_email_field(field: str, text: str) -> None:
    """Raise Invalid, naming the field, where ``validate_email_address`` refuses the address."""
    try:
        validate_email_address(text)
    except ValidationError as error:
        raise Invalid.field(field, error.message) from None


def _is_international(domain: str) -> bool:
    return not domain.isascii() or "xn--" in domain.lower()


def _ascii_domain(domain: str) -> str:
    """Return the domain in ASCII. Raises UnicodeError for look-alikes that map to ASCII, such as the Kelvin sign."""
    if len(domain) > MAX_PARSED_LENGTH:
        raise UnicodeError("too long")
    ascii_form = idna.encode(domain, uts46=True).decode("ascii")
    for written, read in zip(DOTS.split(domain), ascii_form.split("."), strict=False):
        if not written.isascii() and not read.startswith("xn--"):
            raise UnicodeError("a look-alike")
    return ascii_form
