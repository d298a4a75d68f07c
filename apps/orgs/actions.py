"""What is done to people and organizations. Page, API, command and admin all come here."""

from apps.orgs.accounts.actions import (
    cancel_address_change,
    change_password,
    confirm_address,
    end_session,
    end_sessions,
    note_sign_in,
    note_sign_out,
    rename_account,
    request_address_change,
    reset_password,
    send_confirmation,
)
from apps.orgs.accounts.email_addresses import TAKEN, account_of, is_confirmed, lock_addresses, refuse_taken
from apps.orgs.accounts.provisional import end_provisional_access, request_owner_confirmation, send_first_link
from apps.orgs.accounts.security_events import mail_wrong_codes, note_failed_sign_in
from apps.orgs.accounts.sso.identities import find_or_link_identity
from apps.orgs.accounts.two_step_actions import (
    add_passkey,
    find_passkey,
    make_recovery_codes,
    remove_passkey,
    rename_passkey,
    reset_two_step,
    turn_off_totp,
    turn_on_totp,
)
from apps.orgs.invitations.acceptance import (
    NewAccount,
    accept_invitation,
    account_for,
    find_invitation,
    sets_password,
)
from apps.orgs.invitations.actions import invite, resend_invitation, revoke_invitation
from apps.orgs.invitations.reserved_memberships import raises_role
from apps.orgs.lifecycle.creation import create_organization
from apps.orgs.members.membership import (
    change_role,
    check_can_assign,
    check_can_manage,
    find_membership,
    is_last_owner,
    leave_organization,
    lock_members,
    remove_member,
)
from apps.orgs.members.users import NewUser, create_user, create_users, delete_user, update_user
from apps.orgs.settings.preferences import set_preferences
from apps.orgs.support_access.actions import end_expired_support_access, end_support_access, start_support_access
from apps.orgs.support_access.operators import create_operator, remove_operator

__all__ = [
    "TAKEN",
    "NewAccount",
    "NewUser",
    "accept_invitation",
    "account_for",
    "account_of",
    "add_passkey",
    "cancel_address_change",
    "change_password",
    "change_role",
    "check_can_assign",
    "check_can_manage",
    "confirm_address",
    "create_operator",
    "create_organization",
    "create_user",
    "create_users",
    "delete_user",
    "end_expired_support_access",
    "end_provisional_access",
    "end_session",
    "end_sessions",
    "end_support_access",
    "find_invitation",
    "find_membership",
    "find_or_link_identity",
    "find_passkey",
    "invite",
    "is_confirmed",
    "is_last_owner",
    "leave_organization",
    "lock_addresses",
    "lock_members",
    "mail_wrong_codes",
    "make_recovery_codes",
    "note_failed_sign_in",
    "note_sign_in",
    "note_sign_out",
    "raises_role",
    "refuse_taken",
    "remove_member",
    "remove_operator",
    "remove_passkey",
    "rename_account",
    "rename_passkey",
    "request_address_change",
    "request_owner_confirmation",
    "resend_invitation",
    "reset_password",
    "reset_two_step",
    "revoke_invitation",
    "send_confirmation",
    "send_first_link",
    "set_preferences",
    "sets_password",
    "start_support_access",
    "turn_off_totp",
    "turn_on_totp",
    "update_user",
]
