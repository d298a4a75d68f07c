"""What is done to people and organizations. Page, API, command and admin all come here."""

from apps.orgs.actions.addresses import TAKEN, hold_addresses, refuse_taken
from apps.orgs.actions.looks import begin_look, end_look, end_looks_that_ran_out
from apps.orgs.actions.membership import check_may_touch, find_membership, lock_owners
from apps.orgs.actions.operators import create_operator, remove_operator
from apps.orgs.actions.organizations import create_organization
from apps.orgs.actions.people import NewUser, create_user, create_users, delete_user, update_user
from apps.orgs.actions.provisional import end_provisional_access

__all__ = [
    "TAKEN",
    "NewUser",
    "begin_look",
    "check_may_touch",
    "create_operator",
    "create_organization",
    "create_user",
    "create_users",
    "delete_user",
    "end_look",
    "end_looks_that_ran_out",
    "end_provisional_access",
    "find_membership",
    "hold_addresses",
    "lock_owners",
    "refuse_taken",
    "remove_operator",
    "update_user",
]
