"""What is done to people and organizations. Page, API, command and admin all come here."""

from apps.orgs.actions.acceptance import NewAccount, accept_invitation, find_invitation, sets_password
from apps.orgs.actions.addresses import TAKEN, account_of, hold_addresses, is_confirmed, refuse_taken
from apps.orgs.actions.invitations import invite, resend_invitation, revoke_invitation
from apps.orgs.actions.membership import (
    change_role,
    check_may_give,
    check_may_touch,
    find_membership,
    hold_members,
    is_last_owner,
    leave_organization,
    remove_member,
)
from apps.orgs.actions.operators import create_operator
from apps.orgs.actions.organizations import create_organization
from apps.orgs.actions.people import NewUser, create_user, create_users, delete_user, update_user
from apps.orgs.actions.provisional import end_provisional_access

__all__ = [
    "TAKEN",
    "NewAccount",
    "NewUser",
    "accept_invitation",
    "account_of",
    "change_role",
    "check_may_give",
    "check_may_touch",
    "create_operator",
    "create_organization",
    "create_user",
    "create_users",
    "delete_user",
    "end_provisional_access",
    "find_invitation",
    "find_membership",
    "hold_addresses",
    "hold_members",
    "invite",
    "is_confirmed",
    "is_last_owner",
    "leave_organization",
    "refuse_taken",
    "remove_member",
    "resend_invitation",
    "revoke_invitation",
    "sets_password",
    "update_user",
]
