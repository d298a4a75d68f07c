"""The two kinds of pages that operators have: to read, and to change through an action."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.audit.operator_admin.history import history_of
from apps.audit.operator_admin.list_search import help_text, search
from apps.audit.operator_admin.newest_rows import CappedPaginator, NewestRowsChangeList
from apps.audit.operator_admin.panels import Line, Panel
from apps.base.actor import Actor, ActorKind
from apps.base.errors import PortalError
from apps.base.requests import PortalRequest
from apps.orgs.lookups import platform_pk

WHOLE_KEY = re.compile(r"(ip[ks]_[0-9A-Za-z]{12})[0-9A-Za-z]+", re.ASCII)


def operator_of(request: PortalRequest) -> Actor:
    """Return the signed-in operator as the actor, of no organization of their own."""
    return Actor(
        kind=ActorKind.OPERATOR,
        id=request.user.public_id,
        label=request.user.email,
        address=request.client_address,
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:300],
        request_id=request.request_id,
        pk=request.user.pk,
    )


class ValidatedAutocompleteSelect(AutocompleteSelect):
    """The row that was picked; what is no key at all was not, and must not reach the query: Django's fails on it."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        """Offer what was picked, once more."""
        return super().optgroups(name, [each for each in value if self._may_be_key(each)], attr)

    def _may_be_key(self, value: Any) -> bool:
        try:
            self.field.target_field.to_python(value)
        except ValidationError:
            return False
        return True


class OperatorAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """A list that stays fast, a search by indexes, and the audit log as the history."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    actions = None
    ordering: ClassVar[Any] = ("-pk",)
    # What the audit log calls such a row, where its id alone does not tell.
    audit_kind = ""
    # By what the search of the first page finds such rows, as search.py reads it, and which columns it shows.
    found_by: tuple[str, ...] = ()
    found_columns: tuple[str, ...] = ()
    # Which columns of the newest rows stand on their organization's page; empty for a link to their list alone.
    of_organization: tuple[str, ...] | None = None

    def __init__(self, model: type[models.Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        if self.search_fields:
            self.search_help_text = help_text(model, tuple(self.search_fields))  # type: ignore[misc]  # Django reads it so

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[NewestRowsChangeList]:
        """List the newest rows that the search finds."""
        return NewestRowsChangeList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Search for the public part of a key where somebody pasted all of it: pages repeat it."""
        asked = request.GET.get(SEARCH_VAR, "")
        public = WHOLE_KEY.sub(r"\1", asked)
        if public != asked:
            return redirect(f"{request.path}?{urlencode({SEARCH_VAR: public})}")
        return super().changelist_view(request, extra_context)

    def get_search_results(self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str) -> Any:
        """Read ``search_fields`` as ``search.py`` describes them."""
        return search(queryset, tuple(self.search_fields), search_term), False

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        """Filter by what ``list_filter`` names and nothing else.

        Django takes any field of the row: ``?body__startswith=`` or ``?password__startswith=`` would read, letter by
        letter, what no page shows.
        """
        return lookup.partition("__")[0] in self.list_filter

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Have a row picked by searching where the class says ``autocomplete_fields``."""
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

    def answer(self, row: Any) -> Sequence[Line]:
        """Say in sentences what somebody who asks about the row wants to know."""
        return ()

    def panels(self, row: Any) -> Sequence[Panel]:
        """Return tables of what belongs to the row."""
        return ()

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **options: Any) -> Any:
        """Put answer and tables above the fields."""
        row = options.get("obj")
        if row is not None:
            context |= {"answer": self.answer(row), "panels": self.panels(row)}
        return super().render_change_form(request, context, *args, **options)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show what the audit log says about the row."""
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

    # The audit log has each change once; Django's own log would be a second one that says less.

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Write nothing."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Write nothing."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Write nothing."""


class ReadOnlyAdmin(OperatorAdmin):
    """A list and a page to read."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: the portal writes these rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: these rows change through the portal's own actions only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: rows go by retention only."""
        return False


class AuditedAdmin(OperatorAdmin):
    """A page whose changes go through one action each, which records old and new in its transaction.

    Nothing is deleted here unless the class has an action for it (``remove``) and says so by ``is_removable``.
    """

    is_removable = False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse where there is no action: what was once used is switched off, not deleted."""
        return self.is_removable and super().has_delete_permission(request, obj)

    def changeform_view(self, request: HttpRequest, *arguments: Any, **options: Any) -> HttpResponse:
        """Say above the form why an action refused."""
        try:
            return super().changeform_view(request, *arguments, **options)
        except PortalError as refusal:
            if request.method != "POST":
                raise
            return self._refused(request, refusal, request.get_full_path())

    def save_model(self, request: HttpRequest, obj: models.Model, form: Any, change: bool) -> None:
        """Call the action with what changed; a form that was sent unchanged changes and records nothing."""
        before = {name: form.initial.get(name) for name in form.changed_data}
        if change and not before:
            return
        changes = {name: [_plain(old), _plain(getattr(obj, name))] for name, old in before.items()}
        self.save_action(operator_of(cast(PortalRequest, request)), obj, changes, not change)

    def save_action(self, actor: Actor, row: models.Model, changes: dict[str, list[Any]], is_new: bool) -> None:
        """Save and record in one transaction, then let the app tell whoever caches the row."""
        before = {name: pair[0] for name, pair in changes.items()}
        with transaction.atomic():
            _save(row, changes, is_new)
            audit.record(
                actor=actor,
                action=self.action_name(not is_new, before, row),
                target_kind=self.audit_kind,
                target_id=str(getattr(row, "public_id", row.pk)),
                target_label=str(row),
                changes=changes,
                organization_id=self.organization_of(row),
            )
            self.after_change(row)

    def action_name(self, change: bool, before: dict[str, Any], obj: models.Model) -> str:
        """Return the audit action, such as ``key_type.updated``."""
        return f"{self.audit_kind}.{'updated' if change else 'created'}"

    def organization_of(self, obj: models.Model) -> Any:
        """Return whose audit log it belongs to; the catalogue is the vendor's own."""
        return platform_pk()

    def after_change(self, obj: models.Model) -> None:
        """Do what must follow in the same transaction."""

    # Deleting, where there is an action for it

    def remove(self, actor: Actor, row: models.Model) -> None:
        """Call the action that deletes the row, or raise what it raises."""
        raise PermissionDenied

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Say on the row's own page why an action refused."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except PortalError as refusal:
            return self._refused(request, refusal, "../change/")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], list[str]]:
        """Name the row alone: nothing else goes with it, and whether it may go is the action's to say."""
        return [str(row) for row in objs], {self.opts.verbose_name: len(objs)}, set(), []

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        """Delete by the action."""
        self.remove(operator_of(cast(PortalRequest, request)), obj)

    def _refused(self, request: HttpRequest, refusal: PortalError, path: str) -> HttpResponse:
        sentences = [str(text) for texts in (getattr(refusal, "fields", None) or {}).values() for text in texts]
        messages.error(request, " ".join(sentences) or str(refusal))
        return redirect(path)


def _save(row: Any, changes: dict[str, list[Any]], is_new: bool) -> None:
    """Write what changed and nothing else: the rest of the row may be newer than the form."""
    if is_new:
        row.save(force_insert=True)
    else:
        row.save(update_fields=[*changes, *(["updated_at"] if hasattr(row, "updated_at") else [])])


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, list, dict, type(None))) else str(value)
