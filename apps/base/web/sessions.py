"""Browser sessions: a new session key after each confirmation of identity, and deletion of sessions."""

from typing import Any

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY, record_authentication
from allauth.usersessions.models import UserSession
from django.contrib.auth import update_session_auth_hash
from django.contrib.sessions.models import Session

from apps.base.requests import PortalRequest

# A session stores its first confirmation, which says when it began, and the latest ones.
MAX_CONFIRMATIONS = 6


def rotate_session_key(request: PortalRequest) -> None:
    """Give the session a new key and keep its data, which makes a leaked key useless."""
    old_key = request.session.session_key
    request.session.cycle_key()
    _update_listed_key(old_key, request.session.session_key)


def record_confirmation(request: PortalRequest, method: str, **values: Any) -> None:
    """Record in the session that the user's identity was confirmed now, and rotate its key.

    ``method``: ``password``, ``mfa``, or ``openid``.
    """
    record_authentication(request, request.user, method, reauthenticated=True, **values)
    confirmations = request.session[AUTHENTICATION_METHODS_SESSION_KEY]
    if len(confirmations) > MAX_CONFIRMATIONS:
        request.session[AUTHENTICATION_METHODS_SESSION_KEY] = [
            confirmations[0],
            *confirmations[1 - MAX_CONFIRMATIONS :],
        ]
    rotate_session_key(request)


def keep_signed_in(request: PortalRequest, user: Any) -> None:
    """Keep only this session of an account whose password or epoch has changed, under a new key."""
    old_key = request.session.session_key
    update_session_auth_hash(request, user)
    _update_listed_key(old_key, request.session.session_key)


def end_sessions(user: Any, but: str | None = None) -> None:
    """Delete the listed sessions of an account, except the one with the key ``but``.

    Incrementing ``session_epoch`` invalidates every session; this also removes them from the list and the database.
    """
    rows = UserSession.objects.filter(user=user).exclude(session_key=but or "")
    Session.objects.filter(session_key__in=list(rows.values_list("session_key", flat=True))).delete()
    rows.delete()


def _update_listed_key(old_key: str | None, new_key: str | None) -> None:
    """Update the session's key in the account's list of sessions."""
    if old_key and new_key:
        UserSession.objects.filter(session_key=old_key).update(session_key=new_key)


def end_session(user: Any, row_id: int) -> bool:
    """Delete one session of an account's list and return whether it existed."""
    row = UserSession.objects.filter(user=user, pk=row_id).first()
    if row is None:
        return False
    Session.objects.filter(session_key=row.session_key).delete()
    row.delete()
    return True
