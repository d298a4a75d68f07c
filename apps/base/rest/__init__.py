"""Building blocks of the public API under ``/v1``: views, parsing, pagination, errors, the browsable pages."""
