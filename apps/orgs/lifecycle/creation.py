"""Creation of an organization."""

from django.db import transaction
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import Invalid
from apps.base.models import creator
from apps.base.text.email_validation import check_email_field, normalize_email
from apps.base.text.validation import check_plain_text
from apps.orgs.accounts.email_addresses import create_account
from apps.orgs.accounts.provisional import end_provisional_access
from apps.orgs.models import PLATFORM_SLUG, Membership, Organization, Role, User


@transaction.atomic
def create_organization(*, actor: Actor, name: str, slug: str, owner_email: str) -> tuple[Organization, User]:
    """Create an organization and its owner; the owner's account is created if there is none yet.

    Ends provisional access to an existing account: a password that another user chose must not open the organization.
    """
    if slug == PLATFORM_SLUG:
        raise Invalid.field("slug", _("The slug platform is reserved."))
    check_plain_text("name", name)
    email = normalize_email(owner_email)
    check_email_field("owner_email", email)
    organization = Organization(name=name, slug=slug)
    organization.full_clean()
    organization.save(force_insert=True)
    owner = User.objects.find_by_address(email) or create_account(email)
    end_provisional_access(owner, keep_password=False)
    Membership.objects.create(organization=organization, user=owner, role=Role.OWNER, **creator(actor))
    audit.record_change(actor, "organization.created", organization, {"slug": [None, slug], "owner": [None, email]})
    return organization, owner
