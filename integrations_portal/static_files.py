"""Storage of static files: compressed, with content hashes in their names so that browsers can cache them."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class Storage(CompressedManifestStaticFilesStorage):
    """Uses the hashed names that `collectstatic` created, or the original ones if it was not run (the demo, tests)."""

    def stored_name(self, name: str) -> str:
        """Return the hashed name, or the name itself if there is none."""
        known = self.hash_key(self.clean_name(name)) in self.hashed_files
        return str(super().stored_name(name)) if known else name
