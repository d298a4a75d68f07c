"""What the part of a page that says what a key may do is drawn from."""

from typing import Any

from apps.api_keys.forms import AccessFields
from apps.api_keys.presenting.rights import grid, single_rights
from apps.base.client_address import UNKNOWN
from apps.base.requests import PortalRequest


def access_of(form: AccessFields) -> dict[str, Any]:
    """This will return the context of ``api_keys/_access.html``."""
    chosen = form.chosen()
    return {
        "lines": grid(form.rights, chosen),
        "singles": single_rights(form.rights, chosen),
        "quick": form.quick,
        "may_be_admin": form.rights.may_be_admin,
        "contact": form.rights.contact,
    }


def own_address(request: PortalRequest) -> str:
    """Return the reader's address, for the field of networks; nothing where it is not known."""
    return "" if request.client_address == UNKNOWN else request.client_address
