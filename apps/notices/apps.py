from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from apps.base import exports, sweeps


class NoticesConfig(AppConfig):
    name = "apps.notices"
    label = "notices"
    verbose_name = _("Notices")

    def ready(self) -> None:
        """This will register the sweep that ends and removes old notices, and the part of an organization's archive."""
        exports.register("notices.jsonl", "apps.notices.archive_parts.told")
        sweeps.register("notices.delete_expired", "apps.notices.tasks.tidy", 600)
