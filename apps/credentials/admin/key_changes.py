"""Changes of an organization's keys in the admin, by the key's own actions and with a reason."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.audit.operator_admin import Panel, SummaryLine, operator_of
from apps.base.errors import PortalError
from apps.base.requests import PortalRequest
from apps.base.web.forms import AlreadySubmitted, PlainTextField, StepUpForm
from apps.credentials.admin import key_diagnosis
from apps.credentials.key_status import CHANGES, Change
from apps.credentials.rules import MAX_REASON_LENGTH


class ChangeForm(StepUpForm):
    """Confirms a change, with step-up where the last confirmation is too old."""

    reason = PlainTextField(
        label=gettext_lazy("Reason"),
        max_length=MAX_REASON_LENGTH,
        help_text=gettext_lazy("The organization reads it on the key's page and in its audit log."),
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, change: Change, **options: Any) -> None:
        super().__init__(*args, **options)
        if not change.sets_column:
            del self.fields["reason"]


class KeyChangesAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """The links on a key's admin page, and the form behind each."""

    # Takes a name of CHANGES.
    change_key: ClassVar[Callable[..., Any]]

    def get_urls(self) -> list[URLPattern]:
        """Put the forms before the admin's own routes, the last of which matches any path."""
        own = [
            path(
                f"<uuid:object_id>/{name}/",
                self.admin_site.admin_view(partial(self.change_key_view, name=name)),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
            )
            for name in CHANGES
        ]
        return [*own, *super().get_urls()]

    def get_fields(self, request: Any, obj: Any = None) -> Any:
        """Show the links first."""
        return ("available_changes", "public_id", *super().get_fields(request, obj))

    def get_readonly_fields(self, request: Any, obj: Any = None) -> Any:
        """Make the links read-only."""
        return (*super().get_readonly_fields(request, obj), "available_changes")

    def summary_lines(self, row: Any) -> Sequence[SummaryLine]:
        """Return whether the key works, and why not."""
        return key_diagnosis.summary_lines(row)

    def panels(self, row: Any) -> Sequence[Panel]:
        """Return the key's last requests."""
        return key_diagnosis.panels(row)

    @admin.display(description=gettext_lazy("What you can do"))
    def available_changes(self, key: Any) -> str:
        """Return links to the changes that the key's state allows."""
        possible = [
            (self._address(key, name), change.button) for name, change in CHANGES.items() if change.applies_to(key)
        ]
        links = format_html_join(" · ", '<a href="{}">{}</a>', possible)
        return links or _("Nothing: the key has ended.")

    def change_key_view(self, request: PortalRequest, object_id: Any, name: str) -> HttpResponse:
        """Show the form, change the key by its action, and redirect to its page."""
        key, change = self.get_object(request, str(object_id)), CHANGES[name]
        if key is None:
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        if not self.has_view_permission(request, key):
            raise PermissionDenied
        page = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[key.pk])
        if not change.applies_to(key):
            messages.info(request, _("The key is not as it was when you came here. Nothing was changed."))
            return redirect(page)
        form = ChangeForm(request.POST if request.method == "POST" else None, request=request, change=change)
        if request.method == "POST" and form.is_valid() and self._apply(request, form, key, name):
            return redirect(page)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{change.button}: {key}",
            "opts": self.opts,
            "original": key,
            "change": change,
            "form": form,
        }
        return TemplateResponse(request, "admin/credentials/change_key.html", context)

    def _apply(self, request: PortalRequest, form: ChangeForm, key: Any, name: str) -> bool:
        """Consume the form token and change the key in one transaction; on refusal add the error to the form."""
        why = {"reason": form.cleaned_data["reason"]} if "reason" in form.cleaned_data else {}
        try:
            with transaction.atomic():
                form.consume_token()
                type(self).change_key(name, actor=operator_of(request), key_id=key.public_id, **why)
        except AlreadySubmitted:
            return True
        except PortalError as refusal:
            form.add_error(None, str(refusal))
            return False
        messages.success(request, _("It is done, and recorded in the organization's audit log."))
        return True

    def _address(self, key: Any, name: str) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}", args=[key.pk])
