"""What is done to people and organizations. Page, API, command and admin all come here."""

from apps.orgs.actions.acceptance import NewAccount, accept_invitation, account_for, find_invitation, sets_password
from apps.orgs.actions.addresses import TAKEN, account_of, hold_addresses, is_confirmed, refuse_taken
from apps.orgs.actions.everywhere import mail_wrong_codes, note_failed_sign_in
from apps.orgs.actions.identities import find_or_link_identity
from apps.orgs.actions.invitations import invite, resend_invitation, revoke_invitation
from apps.orgs.actions.looks import begin_look, end_look, end_looks_that_ran_out
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
from apps.orgs.actions.operators import create_operator, remove_operator
from apps.orgs.actions.organizations import create_organization
from apps.orgs.actions.own_account import (
    ask_new_address,
    change_password,
    confirm_address,
    end_session,
    end_sessions,
    keep_old_address,
    note_sign_in,
    note_sign_out,
    rename_oneself,
    reset_password,
    send_confirmation,
)
from apps.orgs.actions.people import NewUser, create_user, create_users, delete_user, update_user
from apps.orgs.actions.places import raises
from apps.orgs.actions.preferences import set_preferences
from apps.orgs.actions.provisional import ask_the_owner, end_provisional_access, send_first_link
from apps.orgs.actions.second_steps import (
    add_passkey,
    find_passkey,
    make_recovery_codes,
    remove_passkey,
    rename_passkey,
    reset_two_step,
    turn_off_totp,
    turn_on_totp,
)

__all__ = [
    "TAKEN",
    "NewAccount",
    "NewUser",
    "accept_invitation",
    "account_for",
    "account_of",
    "add_passkey",
    "ask_new_address",
    "ask_the_owner",
    "begin_look",
    "change_password",
    "change_role",
    "check_may_give",
    "check_may_touch",
    "confirm_address",
    "create_operator",
    "create_organization",
    "create_user",
    "create_users",
    "delete_user",
    "end_look",
    "end_looks_that_ran_out",
    "end_provisional_access",
    "end_session",
    "end_sessions",
    "find_invitation",
    "find_membership",
    "find_or_link_identity",
    "find_passkey",
    "hold_addresses",
    "hold_members",
    "invite",
    "is_confirmed",
    "is_last_owner",
    "keep_old_address",
    "leave_organization",
    "mail_wrong_codes",
    "make_recovery_codes",
    "note_failed_sign_in",
    "note_sign_in",
    "note_sign_out",
    "raises",
    "refuse_taken",
    "remove_member",
    "remove_operator",
    "remove_passkey",
    "rename_oneself",
    "rename_passkey",
    "resend_invitation",
    "reset_password",
    "reset_two_step",
    "revoke_invitation",
    "send_confirmation",
    "send_first_link",
    "set_preferences",
    "sets_password",
    "turn_off_totp",
    "turn_on_totp",
    "update_user",
]
