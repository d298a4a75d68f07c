"""What the one-time reveal of a key shows beside the key."""

from typing import Any

from django.conf import settings

from apps.api_keys.models import ApiKey
from apps.credentials.presenting import old_key


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
        "old": old_key(key.replaces),
        "curl": f'curl {settings.PUBLIC_URL}/v1/me \\\n  -H "Authorization: Bearer {text}"',
        "env_line": f"PORTAL_API_KEY={text}",
    }
