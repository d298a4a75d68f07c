"""Context of the page that shows a new key once."""

from typing import Any

from apps.api_keys.models import ApiKey
from apps.base.rest.snippets import as_curl, first_calls, first_request
from apps.credentials.view_models import replaced_key


def secret_context(key: ApiKey, text: str) -> dict[str, Any]:
    """Return the context of the reveal page; ``text`` is the secret."""
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
        "old": replaced_key(key.replaces),
        "curl": as_curl(first_request(text)),
        "first_calls": first_calls(),
        "env_line": f"PORTAL_API_KEY={text}",
    }
