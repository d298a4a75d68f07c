"""Template contexts of the key pages."""

from apps.api_keys.view_models.facts import facts, format_number, limit_texts
from apps.api_keys.view_models.key_list import key_rows
from apps.api_keys.view_models.one_key import detail, impact, secret_context

__all__ = ["detail", "facts", "format_number", "impact", "key_rows", "limit_texts", "secret_context"]
