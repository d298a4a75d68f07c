"""Admin pages that start and end support access to an organization."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.audit.operator_admin import operator_of
from apps.base.errors import PortalError
from apps.base.requests import PortalRequest
from apps.base.web.forms import AlreadySubmitted, PlainTextField, StepUpForm
from apps.orgs.models import OperatorLook
from apps.orgs.support_access import actions


class SupportAccessForm(StepUpForm):
    """The reason for support access, with a confirmation of identity if the last one is old."""

    reason = PlainTextField(
        label=gettext_lazy("Reason"),
        max_length=200,
        help_text=gettext_lazy("The organization can read it in its audit log. A ticket number is enough."),
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
    )


class SupportAccessAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """Adds support access to an organization's admin page: a link, the form that starts it, and the end."""

    def get_urls(self) -> list[URLPattern]:
        """Add both pages before the admin's own, whose last pattern matches any path."""
        wrap = self.admin_site.admin_view
        return [
            path("<uuid:object_id>/look/", wrap(self.start_view), name="orgs_organization_look"),
            path("<uuid:object_id>/look/end/", wrap(self.end_view), name="orgs_organization_look_end"),
            *super().get_urls(),
        ]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Add the link."""
        return (*super().get_fields(request, obj), "support_access_link")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Add the link."""
        return (*super().get_readonly_fields(request, obj), "support_access_link")

    @admin.display(description=gettext_lazy("What a customer sees"))
    def support_access_link(self, organization: Any) -> str:
        """Return the link to the form."""
        if organization.is_platform:
            return _("This organization has no pages.")
        address = reverse("admin:orgs_organization_look", args=[organization.pk])
        return format_html('<a href="{}">{}</a>', address, _("Look at its pages, read-only, for 30 minutes"))

    def start_view(self, request: PortalRequest, object_id: Any) -> HttpResponse:
        """Ask for a reason, start the access and redirect to the organization's overview."""
        organization = self.get_object(request, unquote(str(object_id)))
        if organization is None:
            return redirect("admin:orgs_organization_changelist")
        form = SupportAccessForm(request.POST or None, request=request)
        if request.method == "POST" and form.is_valid() and self._start(request, form, organization):
            return redirect("overview", organization.slug)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Look at what %(organization)s sees") % {"organization": organization},
            "opts": self.opts,
            "original": organization,
            "form": form,
        }
        return TemplateResponse(request, "admin/orgs/organization/look.html", context)

    def _start(self, request: PortalRequest, form: SupportAccessForm, organization: Any) -> bool:
        """Start the access, or add the refusal to the form; return whether it is started."""
        try:
            with transaction.atomic():
                form.consume_token()
                actions.start_support_access(
                    actor=operator_of(request),
                    organization=organization,
                    reason=form.cleaned_data["reason"],
                    session_key=cast(str, request.session.session_key),
                )
        except AlreadySubmitted:
            return True
        except PortalError as refusal:
            form.add_error(None, str(refusal))
            return False
        return True

    def end_view(self, request: PortalRequest, object_id: Any) -> HttpResponse:
        """End the operator's access to the organization, whichever session started it."""
        if request.method == "POST":
            rows = OperatorLook.objects.open(timezone.now()).filter(
                operator_id=request.user.pk, organization_id=object_id
            )
            for access in rows:
                actions.end_support_access(actor=operator_of(request), access=access)
            messages.info(request, _("You no longer look at this organization's pages."))
        return redirect("admin:orgs_organization_change", object_id)
