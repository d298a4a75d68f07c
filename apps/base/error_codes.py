"""The error codes of the API: status, meaning, advice, an example message, and the operations that return it.

Errors take their status from here (``base/errors.py``), the OpenAPI document the error responses of each operation, the
page ``/docs/errors`` its texts; ``docs/errors.md`` is tested against it.
"""

from enum import Enum, auto
from typing import Any, NamedTuple

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

EXAMPLE_REQUEST_ID = "01JD2V8Q4ZK7M3X9T5B6CW"
# Codes whose response names the invalid fields.
EXAMPLE_FIELDS = {"invalid_request": {"email": ["Enter a valid email address."]}}


class AppliesTo(Enum):
    """The operations that can return a code."""

    ALL = auto()
    WITH_KEY = auto()
    WITH_BODY = auto()
    ON_ONE_OBJECT = auto()
    CONDITIONAL = auto()
    IDEMPOTENT = auto()
    # Operations with the code in ``Operation.error_codes``, or none: codes for unknown paths and methods.
    NAMED = auto()


class ErrorCode(NamedTuple):
    """An error code. ``example``: a sample message. ``applies_to``: the operations that can return the code."""

    status: int
    text: Promise
    advice: Promise | str
    example: str
    applies_to: AppliesTo = AppliesTo.NAMED


ERROR_CODES: dict[str, ErrorCode] = {
    "invalid_request": ErrorCode(
        400,
        _("Something in the request cannot be accepted: “fields” names what to change."),
        _("Change the request. Sending it again unchanged cannot help."),
        "email: Enter a valid email address.",
        AppliesTo.ALL,
    ),
    "ambiguous_credentials": ErrorCode(
        400,
        _("Two different keys were sent. Send one, in one header."),
        _("Look for a proxy or a library that adds a header of its own."),
        "Two different API keys were sent. Send one, in one header.",
        AppliesTo.WITH_KEY,
    ),
    "missing_api_key": ErrorCode(
        401,
        _("No key in the headers. A key in the query string is not used."),
        _("Send the header “Authorization: Bearer” and the key. Rotate a key that stood in an address."),
        "No API key. Send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.",
        AppliesTo.WITH_KEY,
    ),
    "invalid_api_key": ErrorCode(
        401,
        _("Malformed, unknown or wrong. Compare its first and last letters with the list."),
        _("Read the whole message: it names a masked key, quotes or an invisible character where there is one."),
        "Invalid API key provided.",
        AppliesTo.WITH_KEY,
    ),
    "expired_api_key": ErrorCode(
        401,
        _("The key was right and its time is over. Create another."),
        _("Rotate before the day next time: both keys work side by side for as long as you choose."),
        "This API key has expired.",
        AppliesTo.WITH_KEY,
    ),
    "revoked_api_key": ErrorCode(
        401,
        _("The key was right and was revoked. This is final."),
        _("Take the key that replaced it. The audit log says who revoked it and why."),
        "This API key was revoked.",
        AppliesTo.WITH_KEY,
    ),
    "disabled_api_key": ErrorCode(
        401,
        _("The key was right and is switched off. An owner or admin can enable it."),
        _("Ask whoever disabled it: the page of the key names them and the reason."),
        "This API key is disabled.",
        AppliesTo.WITH_KEY,
    ),
    "insufficient_scope": ErrorCode(
        403,
        _("The key lacks a scope; the sentence names it and those that would do."),
        _("A key never gets more rights than it was made with: create one that has them."),
        "This key lacks the scope users:write. Accepted: users:write, admin.",
        AppliesTo.WITH_KEY,
    ),
    "forbidden": ErrorCode(
        403,
        _("Yours, but not allowed; the sentence says why."),
        _("Read the sentence: it names the role, the type of key or the rule."),
        "Keys of this type are switched off for this organization. Contact the vendor's team.",
        AppliesTo.WITH_KEY,
    ),
    "ip_not_allowed": ErrorCode(
        403,
        _("The key may be used from certain networks only."),
        _("Call from one of them, or let an owner or admin add yours on the page of the key."),
        "This key may not be used from this address.",
        AppliesTo.WITH_KEY,
    ),
    "organization_suspended": ErrorCode(
        403,
        _("The organization is suspended or closed; the message says which. Contact the vendor’s team."),
        _("After a suspension, keys work again and held events are sent. Keys of a closed organization stay revoked."),
        "This organization is suspended. Contact the vendor's team.",
        AppliesTo.WITH_KEY,
    ),
    "key_quarantined": ErrorCode(
        403,
        _("The key was set aside because it may have leaked."),
        _("Make a new key and move over; or release it when you know that all is well."),
        "This key is quarantined and this address is new to it. An owner or admin can release it.",
        AppliesTo.WITH_KEY,
    ),
    "origin_not_allowed": ErrorCode(
        403,
        _("The web page that called is not among the SDK key’s origins."),
        _("Add the origin to the SDK key: scheme, host and port, without a path."),
        "This key may be used from its own origins only.",
    ),
    "app_not_allowed": ErrorCode(
        403,
        _("The app id or certificate is missing or not the SDK key’s."),
        _("Send “app_id”, and “cert_sha256” where the key has one, exactly as they stand on its page."),
        "This key belongs to another app: app_id is missing or not the key's.",
    ),
    "https_required": ErrorCode(
        403,
        _("The call came over plain http. Rotate the key and use https."),
        _("Whoever was on the way could read the key. Change the address in the integration, then rotate."),
        "Use https. A key that was sent over plain http should be rotated.",
        AppliesTo.ALL,
    ),
    "reauthentication_required": ErrorCode(
        403,
        _("Somebody signed in has to confirm the password first. Keys are never asked."),
        _("Confirm on the page that the answer leads to, and send the form again."),
        "Your last confirmation is older than 15 minutes. Confirm that it is you, then send this once more.",
    ),
    "not_found": ErrorCode(
        404,
        _("There is no such thing, or it is somebody else’s."),
        _("Compare the id, and the organization that the key belongs to: GET /v1/me says which."),
        "Not found.",
        AppliesTo.ON_ONE_OBJECT,
    ),
    "method_not_allowed": ErrorCode(
        405,
        _("The header “Allow” lists what this path takes."),
        _("Compare the method with the reference."),
        "This path does not take DELETE.",
    ),
    "not_acceptable": ErrorCode(
        406,
        _("The API answers application/json; change the header “Accept”."),
        _("Leave the header away, or send “Accept: application/json”."),
        "This API answers application/json; change the Accept header.",
        AppliesTo.ALL,
    ),
    "conflict": ErrorCode(
        409,
        _("The state of the thing does not allow this."),
        _("Read the thing again and decide by its state."),
        "This key is revoked; that is final. Create another.",
    ),
    "key_limit_reached": ErrorCode(
        409,
        _("All places for keys of this type are taken. Revoke one."),
        _("Revoked and expired keys free their place at once."),
        "All 5 keys of type user_data are in use. Revoke one to make another.",
    ),
    "endpoint_limit_reached": ErrorCode(
        409,
        _("All places for endpoints are taken. Delete one."),
        _("One endpoint can receive many types of events."),
        "The limit of 20 endpoints is reached. Delete one, or ask the operator for more.",
    ),
    "activation_limit_reached": ErrorCode(
        409,
        _("Every activation of the SDK key is taken. Free one or raise the limit."),
        _("Places of silent devices are freed by themselves after the days set on the key."),
        "Every activation of this key is taken.",
    ),
    "idempotency_conflict": ErrorCode(
        409,
        _("The Idempotency-Key was used with another body. Take a new one."),
        _("Make one value for each thing that you create, and keep it for repeats of the same request."),
        "This Idempotency-Key was used with another body. Take a new key for another request.",
        AppliesTo.IDEMPOTENT,
    ),
    "idempotency_in_progress": ErrorCode(
        409,
        _("The first request with this Idempotency-Key still runs. Wait a little."),
        _("Repeat with the same value: the answer of the first request comes back."),
        "The first request with this Idempotency-Key is still running. Wait a moment and send it again.",
        AppliesTo.IDEMPOTENT,
    ),
    "precondition_failed": ErrorCode(
        412,
        _("Somebody changed it since you read it; nothing was changed by this call."),
        _("Read it again, look at the change, and send the new ETag in “If-Match”."),
        "This was changed since you read it. Read it again, look at the change, and send the new ETag.",
        AppliesTo.CONDITIONAL,
    ),
    "request_timeout": ErrorCode(
        408,
        _("The request body did not arrive within 15 seconds."),
        _("Send the request again. Look for a slow connection, or a proxy that does not buffer."),
        "The request body did not arrive in time. Send the request again.",
        AppliesTo.WITH_BODY,
    ),
    "payload_too_large": ErrorCode(
        413,
        _("The body is larger than 1 MiB, or the data of an event than 256 KiB."),
        _("Send less at once, and link to what is large."),
        "The body is larger than 1 MiB.",
        AppliesTo.WITH_BODY,
    ),
    "unsupported_media_type": ErrorCode(
        415,
        _("Send the body as application/json."),
        _("Set the header “Content-Type: application/json”, and don't compress the body. Files aren't accepted."),
        "Send the body as application/json.",
        AppliesTo.WITH_BODY,
    ),
    "rate_limited": ErrorCode(
        429,
        _("Too many calls. Try again after “Retry-After” seconds."),
        _("Wait that long, and spread calls by “RateLimit-Remaining”. A refused call costs nothing."),
        "Rate limit exceeded. Try again in 12 seconds.",
        AppliesTo.ALL,
    ),
    "internal_error": ErrorCode(
        500,
        _("Our fault. Name the request id when you ask for help."),
        _("Repeat with growing pauses, and with the same Idempotency-Key, so that nothing is made twice."),
        "Something went wrong on our side.",
        AppliesTo.ALL,
    ),
    "unavailable": ErrorCode(
        503,
        _("The service is unavailable for a moment. Try again."),
        _("Repeat with growing pauses, after “Retry-After” seconds where the answer has it."),
        "The service is unavailable for a moment. Try again.",
        AppliesTo.ALL,
    ),
}


def example_body(name: str) -> dict[str, Any]:
    """Return an example of the body that the API sends with the code."""
    body: dict[str, Any] = {
        "error": ERROR_CODES[name].example,
        "code": name,
        "request_id": EXAMPLE_REQUEST_ID,
        "docs": f"{settings.PUBLIC_URL}/docs/errors#{name}",
    }
    return body | ({"fields": EXAMPLE_FIELDS[name]} if name in EXAMPLE_FIELDS else {})
