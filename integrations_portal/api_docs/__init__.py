"""The developer documentation under ``/docs/``: public, with the reader's own organization if signed in."""
