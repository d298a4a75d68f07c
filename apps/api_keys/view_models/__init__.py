"""What the pages for keys show, as plain values: rows, cards, figures."""

from apps.api_keys.presenting.facts import facts, grouped, limit_texts
from apps.api_keys.presenting.one_key import detail, harm
from apps.api_keys.presenting.rows import key_rows
from apps.api_keys.presenting.secrets import revealed

__all__ = ["detail", "facts", "grouped", "harm", "key_rows", "limit_texts", "revealed"]
