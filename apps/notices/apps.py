from django.apps import AppConfig

from apps.base import exports, sweeps


class NoticesConfig(AppConfig):
    name = "apps.notices"
    label = "notices"

    def ready(self) -> None:
        """This will register the sweep that ends and removes old notices, and the part of an organization's archive."""
        exports.register("notices.jsonl", "apps.notices.archive_parts.told")
        sweeps.register("notices.tidy", "apps.notices.tasks.tidy", 600)
