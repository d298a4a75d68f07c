"""The API reference and the list of error codes, made from the routes and views themselves so that they cannot rot."""

import inspect
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.base.permissions import ADMIN

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Code(NamedTuple):
    """An error code: its status, what it means and what to do."""

    status: int
    text: Promise


ERROR_CODES: dict[str, Code] = {
    "invalid_request": Code(400, _("Something in the request cannot be accepted: “fields” names what to change.")),
    "ambiguous_credentials": Code(400, _("Two different keys were sent. Send one, in one header.")),
    "missing_api_key": Code(401, _("No key in the headers. A key in the query string is not used.")),
    "invalid_api_key": Code(401, _("Malformed, unknown or wrong. Compare its first and last letters with the list.")),
    "expired_api_key": Code(401, _("The key was right and its time is over. Create another.")),
    "revoked_api_key": Code(401, _("The key was right and was revoked. This is final.")),
    "disabled_api_key": Code(401, _("The key was right and is switched off. An owner or admin can enable it.")),
    "insufficient_scope": Code(403, _("The key lacks a scope; the sentence names it and those that would do.")),
    "forbidden": Code(403, _("Yours, but not allowed; the sentence says why.")),
    "ip_not_allowed": Code(403, _("The key may be used from certain networks only.")),
    "organization_suspended": Code(
        403, _("The organization is suspended. Nothing is lost; contact the vendor’s team.")
    ),
    "key_quarantined": Code(403, _("The key was set aside because it may have leaked.")),
    "origin_not_allowed": Code(403, _("The web page that called is not among the SDK key’s origins.")),
    "app_not_allowed": Code(403, _("The app id or certificate is missing or not the SDK key’s.")),
    "https_required": Code(403, _("The call came over plain http. Rotate the key and use https.")),
    "not_found": Code(404, _("There is no such thing, or it is somebody else’s.")),
    "method_not_allowed": Code(405, _("The header “Allow” lists what this path takes.")),
    "not_acceptable": Code(406, _("The API answers application/json; change the header “Accept”.")),
    "conflict": Code(409, _("The state of the thing does not allow this.")),
    "key_limit_reached": Code(409, _("All places for keys of this type are taken. Revoke one.")),
    "endpoint_limit_reached": Code(409, _("All places for endpoints are taken. Delete one.")),
    "activation_limit_reached": Code(409, _("Every activation of the SDK key is taken. Free one or raise the limit.")),
    "idempotency_conflict": Code(409, _("The Idempotency-Key was used with another body. Take a new one.")),
    "idempotency_in_progress": Code(409, _("The first request with this Idempotency-Key still runs. Wait a little.")),
    "precondition_failed": Code(412, _("It was changed since you read it. Read it again and send the new ETag.")),
    "payload_too_large": Code(413, _("The body is larger than 1 MiB, or the data of an event than 256 KiB.")),
    "unsupported_media_type": Code(415, _("Send the body as application/json.")),
    "rate_limited": Code(429, _("Too many calls. Try again after “Retry-After” seconds.")),
    "internal_error": Code(500, _("Our fault. Name the request id when you ask for help.")),
    "unavailable": Code(503, _("The service is unavailable for a moment. Try again.")),
}


def operations(routes: list[Any]) -> list[dict[str, Any]]:
    """This will return every path of the API with its methods, what each does and the scope it takes."""
    found = []
    for route in routes:
        view, path = route.callback.view_class, route.callback.view_initkwargs["route"]
        methods = [_operation(view, method) for method in METHODS if hasattr(view, method.lower())]
        if methods:
            found.append({"path": path, "methods": methods})
    return found


def _operation(view: Any, method: str) -> dict[str, Any]:
    needed = view.requires[method]
    scopes = (needed,) if isinstance(needed, str) else needed
    text = (inspect.getdoc(getattr(view, method.lower())) or "").split("\n\n")[0].removeprefix("This will ")
    return {
        "method": method,
        "text": text[:1].upper() + text[1:],
        "scopes": [*map(str, scopes), *([ADMIN] if scopes else [])],
        "is_open": not view.callers,
    }


def reference(request: HttpRequest, routes: list[Any]) -> HttpResponse:
    """What the API can do, with the reader's own address in the first command."""
    command = f'curl {settings.PUBLIC_URL}/v1/me \\\n  -H "Authorization: Bearer $PORTAL_API_KEY"'
    return render(request, "docs/reference.html", {"operations": operations(routes), "first_call": command})


def errors(request: HttpRequest) -> HttpResponse:
    """Every error code, each with an anchor that answers of the API link to."""
    codes = [{"code": name, "status": code.status, "text": code.text} for name, code in ERROR_CODES.items()]
    return render(request, "docs/errors.html", {"codes": codes})
