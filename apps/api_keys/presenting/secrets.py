"""What the one-time reveal of a key shows beside the key."""

from typing import Any

from django.conf import settings

from apps.api_keys.models import ApiKey
from apps.credentials.models import SecretKey


def revealed(key: ApiKey, text: str) -> dict[str, Any]:
    """This will return the context of the reveal: the text, and by what it is to be filed."""
    return {
        "secret": text,
        "key": {
            "name": key.name,
            "type": key.key_type.title_text,
            "subject": key.subject,
            "scopes": key.scopes,
            "networks": key.allowed_networks,
            "expires_at": key.expires_at,
        },
        "old": _old(key.replaces),
        "curl": f'curl {settings.PUBLIC_URL}/v1/me \\\n  -H "Authorization: Bearer {text}"',
        "env_line": f"PORTAL_API_KEY={text}",
    }


def _old(key: SecretKey | None) -> dict[str, Any] | None:
    """The key that this one replaces: until when it works."""
    return {"mask": key.mask, "ends": key.expires_at, "has_ended": key.has_ended} if key else None
