"""What the pages for keys show, as plain values: rows, cards, figures."""

from apps.api_keys.view_models.facts import facts, grouped, limit_texts
from apps.api_keys.view_models.key_list import key_rows
from apps.api_keys.view_models.one_key import detail, harm
from apps.api_keys.view_models.secrets import revealed

__all__ = ["detail", "facts", "grouped", "harm", "key_rows", "limit_texts", "revealed"]
