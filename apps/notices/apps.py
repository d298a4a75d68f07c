from django.apps import AppConfig

from apps.base import sweeps


class NoticesConfig(AppConfig):
    name = "apps.notices"
    label = "notices"

    def ready(self) -> None:
        """This will register the sweep that ends and removes old notices."""
        sweeps.register("notices.tidy", "apps.notices.tasks.tidy", 600)
