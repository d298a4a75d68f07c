"""The vendor's operators."""

from allauth.account.models import EmailAddress
from django.db import transaction

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.orgs.actions.addresses import refuse_taken
from apps.orgs.models import PLATFORM_SLUG, Organization, User


@transaction.atomic
def create_operator(*, actor: Actor, email: str) -> User:
    """This will make an operator of the vendor, who sees every organization in the Django admin."""
    refuse_taken(email)
    user = User(email=email.lower(), name=email.partition("@")[0], is_staff=True, is_superuser=True)
    user.set_unusable_password()
    user.full_clean(exclude=["password"])
    user.save(force_insert=True)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
    platform = Organization.objects.get(slug=PLATFORM_SLUG)
    audit.record(
        actor=actor,
        action="operator.created",
        target_kind="user",
        target_id=user.public_id,
        target_label=user.email,
        organization_id=platform.pk,
    )
    return user
