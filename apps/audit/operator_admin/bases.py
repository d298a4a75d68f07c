"""The two kinds of admin pages: read-only, and with changes through an audited action."""

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from apps.audit.operator_admin.history import history_of
from apps.audit.operator_admin.list_search import help_text, search
from apps.audit.operator_admin.newest_rows import CappedPaginator, NewestRowsChangeList
from apps.audit.operator_admin.panels import Panel, SummaryLine
from apps.base.actor import Actor, ActorKind
from apps.base.errors import PortalError
from apps.base.requests import PortalRequest, source_of

FULL_KEY = re.compile(r"(ip[ks]_[0-9A-Za-z]{12})[0-9A-Za-z]+", re.ASCII)


def operator_of(request: PortalRequest) -> Actor:
    """Return the signed-in operator as an actor without an organization."""
    return Actor(
        kind=ActorKind.OPERATOR,
        id=request.user.public_id,
        label=request.user.email,
        pk=request.user.pk,
        **source_of(request),
    )


class ValidatedAutocompleteSelect(AutocompleteSelect):
    """An autocomplete widget that drops values that are not primary keys: Django's query fails on them."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        """Return the options for the valid values."""
        return super().optgroups(name, [each for each in value if self._is_key(each)], attr)

    def _is_key(self, value: Any) -> bool:
        try:
            self.field.target_field.to_python(value)
        except ValidationError:
            return False
        return True


class OperatorAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """Lists that stay fast, searches that use indexes, and the audit log as history."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    actions = None
    ordering: ClassVar[Any] = ("-pk",)
    # The target kind in the audit log, if the id alone is not unique.
    audit_kind = ""
    # A date field: a search finds matches of its newest two days only. For rollups, whose indexes end with it and not
    # with the key. (``search_fields`` can have names of ``list_search.LOOKUPS``.)
    search_newest_by = ""
    # As ``search_fields``, for the search on the start page, and the columns of its results.
    global_search_fields: tuple[str, ...] = ()
    global_search_columns: tuple[str, ...] = ()
    # The columns of the newest rows on the organization's page; empty for only a link to their list.
    organization_columns: tuple[str, ...] | None = None

    def __init__(self, model: type[models.Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        if self.search_fields:
            text = help_text(model, tuple(self.search_fields), self.search_newest_by)
            self.search_help_text = text  # type: ignore[misc]  # Django reads it so

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[NewestRowsChangeList]:
        """List only the newest rows that match."""
        return NewestRowsChangeList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Redirect a search for a whole key to its public part, because the page repeats the text."""
        term = request.GET.get(SEARCH_VAR, "")
        public = FULL_KEY.sub(r"\1", term)
        if public != term:
            return redirect(f"{request.path}?{urlencode({SEARCH_VAR: public})}")
        return super().changelist_view(request, extra_context)

    def get_search_results(self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str) -> Any:
        """Interpret ``search_fields`` as ``list_search`` describes."""
        return search(queryset, tuple(self.search_fields), search_term, self.search_newest_by), False

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        """Allow lookups only on the fields of ``list_filter``.

        Django allows any field of the model: ``?body__startswith=`` or ``?password__startswith=`` would reveal hidden
        values character by character.
        """
        return lookup.partition("__")[0] in self.list_filter

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Use the validating widget for ``autocomplete_fields``."""
        if db_field.name in self.get_autocomplete_fields(request):
            options.setdefault(
                "widget", ValidatedAutocompleteSelect(db_field, self.admin_site, using=options.get("using"))
            )
        return super().formfield_for_foreignkey(db_field, request, **options)

    @admin.display(description="ID")
    def public_id(self, row: Any) -> str:
        """The id that customers see."""
        found: str = row.public_id
        return found

    def summary_lines(self, row: Any) -> Sequence[SummaryLine]:
        """Return the state of the row in sentences, as support answers questions about it."""
        return ()

    def panels(self, row: Any) -> Sequence[Panel]:
        """Return tables of related rows."""
        return ()

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> Any:
        """Add the sentences and tables above the fields."""
        row = options.get("obj")
        if row is not None:
            context |= {"summary_lines": self.summary_lines(row), "panels": self.panels(row)}
        return super().render_change_form(request, context, *args, **options)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show the row's entries in the audit log."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return redirect("admin:index")
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": _("History of %(row)s") % {"row": row},
            "subtitle": None,
            "entries": history_of(row, self.audit_kind),
            "module_name": str(self.opts.verbose_name_plural),
            "object": row,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/object_history.html", context)

    # The audit log has each change; Django's own log would repeat it with less detail.

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Write nothing."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Write nothing."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Write nothing."""


class ReadOnlyAdmin(OperatorAdmin):
    """A read-only list and page, which shows the columns of the list where no ``fields`` are named."""

    def __init__(self, model: type[models.Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        self.fields = self.fields or self.list_display  # type: ignore[misc, assignment]  # Django reads it so

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: the portal writes these rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: these rows change through the portal's own actions only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: only retention deletes these rows."""
        return False


class AuditedAdmin(OperatorAdmin):
    """A page that saves each change by an action, which records old and new values in the same transaction.

    Rows can be deleted if there is an action for it, too; others are disabled. ``fixed_fields`` can be set in new rows
    only.
    """

    save_action: ClassVar[Callable[..., Any]]
    delete_action: ClassVar[Callable[..., Any] | None] = None
    fixed_fields: tuple[str, ...] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.readonly_fields, *(self.fixed_fields if obj else ()))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.delete_action is not None and super().has_delete_permission(request, obj)

    def changeform_view(self, request: HttpRequest, *arguments: Any, **options: Any) -> HttpResponse:
        """Show the error of an action above the form."""
        try:
            return super().changeform_view(request, *arguments, **options)
        except PortalError as refusal:
            if request.method != "POST":
                raise
            return self._redirect_with_error(request, refusal, request.get_full_path())

    def save_model(self, request: HttpRequest, obj: models.Model, form: Any, change: bool) -> None:
        """Call the action with the changes; an unchanged form saves and records nothing."""
        before = {name: form.initial.get(name) for name in form.changed_data}
        if change and not before:
            return
        changes = {name: [_json_value(old), _json_value(getattr(obj, name))] for name, old in before.items()}
        self.save_action(actor=operator_of(cast(PortalRequest, request)), row=obj, changes=changes)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show the error of the action on the row's page."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except PortalError as refusal:
            return self._redirect_with_error(request, refusal, "../change/")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], list[str]]:
        """Return the rows only: nothing is deleted with them, and the action decides whether they can be deleted."""
        return [str(row) for row in objs], {self.opts.verbose_name: len(objs)}, set(), []

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        """Delete the row by its action."""
        if self.delete_action is None:
            raise PermissionDenied
        self.delete_action(actor=operator_of(cast(PortalRequest, request)), row=obj)

    def _redirect_with_error(self, request: HttpRequest, refusal: PortalError, path: str) -> HttpResponse:
        sentences = [str(text) for texts in (getattr(refusal, "fields", None) or {}).values() for text in texts]
        messages.error(request, " ".join(sentences) or str(refusal))
        return redirect(path)


def _json_value(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, list, dict, type(None))) else str(value)
