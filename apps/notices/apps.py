from django.apps import AppConfig

from apps.base import exports


class NoticesConfig(AppConfig):
    name = "apps.notices"
    label = "notices"

    def ready(self) -> None:
        """This will name the part of an organization's archive."""
        exports.register("notices.jsonl", "apps.notices.archive_parts.told")
