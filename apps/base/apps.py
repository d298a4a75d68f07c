from django.apps import AppConfig

from apps.base import sweeps


class BaseConfig(AppConfig):
    name = "apps.base"
    label = "base"

    def ready(self) -> None:
        """This will register this app's sweep."""
        sweeps.register("base.delete_used_form_tokens", "apps.base.forms.forget_spent_forms", every_seconds=600)
