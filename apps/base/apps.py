from django.apps import AppConfig

from apps.base import sweeps
from apps.base.sweeps import Sweep

# The periodic jobs of this app, run by every worker; docs/operate.md has them all in one table.
JOBS = (
    Sweep("base.delete_used_form_tokens", "apps.base.forms.forget_spent_forms",
          every_seconds=600, budget_seconds=10, does="Deletes the traces of forms that were sent."),
)  # fmt: skip


class BaseConfig(AppConfig):
    name = "apps.base"
    label = "base"

    def ready(self) -> None:
        """This will register this app's sweep."""
        sweeps.register(*JOBS)
