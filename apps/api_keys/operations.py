"""Operations of ``/v1/me``, ``/v1/api-keys`` and ``/v1/usage``: their bodies, parameters and responses."""

from apps.api_keys.serializers import (
    ApiKeySerializer,
    ApiKeyWithSecretSerializer,
    CreateApiKeyBody,
    KeyVerificationSerializer,
    MeSerializer,
    RevokeApiKeyBody,
    UpdateApiKeyBody,
    VerifyApiKeyBody,
)
from apps.api_keys.usage_serializers import KeyUsageSerializer, UsageSerializer
from apps.audit.calls.usage_report import Interval
from apps.base.rest.fields import Choice, StrictString
from apps.base.rest.operations import Operation, Paging, Parameter, ResponseSpec, time_range_parameters
from apps.credentials.operations import KEY_FILTERS, lifecycle_operations

GET_ME = Operation(
    "getMe",
    "Describe the calling key.",
    {200: ResponseSpec("The calling key, its organization, what is left of its limits.", MeSerializer)},
)
# Keyed by the last segment of the path.
API_KEYS = {
    "list": Operation(
        "listApiKeys",
        "List keys, oldest first, in every state.",
        {200: ResponseSpec("The keys, oldest first, in every state.", ApiKeySerializer, many=True)},
        paging=Paging.OFFSET,
        parameters=(
            *KEY_FILTERS,
            Parameter("type", StrictString("Only keys of these types.", pattern="^[A-Za-z0-9_-]{1,40}$"), many=True),
            Parameter("subject", StrictString("Only keys of this subject.", max_length=200)),
        ),
    ),
    "create": Operation(
        "createApiKey",
        "Make a key; its text is in this answer and never again.",
        {
            201: ResponseSpec(
                "The new key, with its text this once. A repeated answer is without it.", ApiKeyWithSecretSerializer
            )
        },
        CreateApiKeyBody,
        error_codes=("forbidden", "key_limit_reached"),
        step_up=True,
    ),
    **lifecycle_operations(
        "ApiKey",
        "a key",
        ApiKeySerializer,
        ApiKeyWithSecretSerializer,
        update=("Change the settings of a key. Its scopes can only become fewer.", UpdateApiKeyBody),
        rotate="Make a key with the same settings; its text is in this answer and never again.",
        revoke=(
            "Revoke a key, with what it made by rotating itself; again is the same answer and changes nothing.",
            RevokeApiKeyBody,
        ),
    ),
}
VERIFY_API_KEY = Operation(
    "verifyApiKey",
    "Judge a key, count the call on its limits and in its usage, and answer 200 whatever it finds.",
    {200: ResponseSpec("The verdict: always 200, also where the key is not good.", KeyVerificationSerializer)},
    VerifyApiKeyBody,
    more_examples={"unknown key": {"valid": False, "code": "invalid_api_key"}},
)
SPAN = (
    *time_range_parameters("calls"),
    Parameter("interval", Choice(Interval, "How long a bucket of the series is.")),
)
GET_KEY_USAGE = Operation(
    "getApiKeyUsage",
    "Return the figures of one key.",
    {200: ResponseSpec("The figures of the key.", KeyUsageSerializer)},
    parameters=SPAN,
)
GET_USAGE = Operation(
    "getUsage",
    "Return the figures of the organization.",
    {200: ResponseSpec("The figures of the organization.", UsageSerializer)},
    parameters=SPAN,
)
