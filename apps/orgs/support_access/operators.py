"""Creation and removal of operators, recorded in the audit log of the organization ``platform``."""

from django.db import connection, transaction
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import Conflict, NotFound
from apps.base.text.email_validation import check_email_field, normalize_email
from apps.orgs.accounts.email_addresses import check_address_free, create_account
from apps.orgs.models import PLATFORM_SLUG, Membership, OperatorLook, Organization, User
from apps.orgs.support_access.actions import end_support_access


@transaction.atomic
def create_operator(*, actor: Actor, email: str) -> User:
    """Create an operator, who can see every organization in the Django admin."""
    actor.require_operator()
    email = normalize_email(email)
    check_email_field("email", email)
    check_address_free(email)
    user = create_account(email, is_staff=True, is_superuser=True)
    audit.record_change(actor, "operator.created", user)
    return user


@transaction.atomic
def remove_operator(*, actor: Actor, email: str) -> None:
    """End an operator's permissions and sessions; an account without an organization is deleted.

    Raises NotFound if the address is not an operator's, Conflict for the last operator who can sign in.
    """
    actor.require_operator()
    _lock_operators()
    user = next((each for each in User.objects.address_owners(email) if each.is_staff), None)
    if user is None:
        raise NotFound(_("There is no operator with the address %(email)s.") % {"email": email})
    if not User.objects.filter(is_staff=True, is_active=True).exclude(pk=user.pk).exists():
        raise Conflict(_("This is the last operator. Make another one first: manage.py create_operator --email E."))
    for access in OperatorLook.objects.filter(operator=user, ended_at=None).select_related("organization"):
        end_support_access(actor=actor, access=access)
    audit.record_change(actor, "operator.removed", user)
    if Membership.objects.filter(user=user).exists():
        user.is_staff = user.is_superuser = False
        user.session_epoch += 1
        user.save(update_fields=["is_staff", "is_superuser", "session_epoch", "updated_at"])
    else:
        user.delete()


def _lock_operators() -> None:
    """Lock, so that two operators cannot remove each other. On SQLite the transaction itself is exclusive."""
    if connection.vendor == "postgresql":
        list(Organization.objects.select_for_update(no_key=True).filter(slug=PLATFORM_SLUG).values("pk"))
