"""Static files: compressed, and under names that change with their content, so that browsers may keep them."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class Storage(CompressedManifestStaticFilesStorage):
    """Uses the names that `collectstatic` made; where it did not run (the demo, tests) each file keeps its own."""

    def stored_name(self, name: str) -> str:
        """Return the name with a digest in it, or the name itself where there is none."""
        known = self.hash_key(self.clean_name(name)) in self.hashed_files
        return str(super().stored_name(name)) if known else name
