"""Idempotency keys: any number of equal POSTs with one ``Idempotency-Key`` have one effect.

The key is reserved first, in a separate commit, where a unique constraint decides races. Then one transaction has both
the action and the stored response: a crash before its commit leaves a reservation, which expires; a crash after it
leaves the response, which the next equal request gets. Settings name the store.

The transaction begins when the body is valid (``PortalView.validated``), so that slow or failing validation takes no
lock.
"""

import logging
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, transaction
from django.http.request import RawPostDataException
from django.utils.module_loading import import_string
from rest_framework.response import Response

from apps.base.actor import Actor
from apps.base.errors import Conflict, Invalid

logger = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """What identifies a request: key, method, path, actor, and the bytes of the body."""

    key: str
    method: str
    path: str
    route: str
    actor: Actor
    body: bytes


class StoredResponse(NamedTuple):
    """The response to the first request."""

    status: int
    body: Any


class IdempotencyStore(Protocol):
    """Stores reservations and responses; one object per request, created from an ``IdempotentRequest``."""

    def stored_response(self) -> StoredResponse | None:
        """Return the stored response to an equal request, if there is one."""

    def reserve(self) -> StoredResponse | None:
        """Reserve the key, or return the response stored meanwhile; raise Conflict for any other use of the key."""

    def save(self, status: int, body: Any) -> bool:
        """Store the response, or return False where another request has taken the reservation over."""

    def release(self) -> None:
        """Release the reservation, unless another request has taken it over."""


class StoredResponseFound(Exception):
    """An equal request has a stored response: ends the view's method early."""

    def __init__(self, stored: StoredResponse) -> None:
        super().__init__(stored.status)
        self.stored = stored


class ReservationLost(Exception):
    """An equal request has taken over the reservation of this one, which took too long: roll back."""


class IdempotencyAttempt:
    """The handling of one request with the header, from the lookup to the stored response."""

    def __init__(self, key: str, store: IdempotencyStore) -> None:
        self._is_well_formed = KEY.fullmatch(key) is not None
        self._store = store
        self._transaction = ExitStack()
        self._is_reserved = False

    def run(self, handle_request: Callable[[], Response]) -> Response:
        """Return the stored response, or that of ``handle_request``, stored in the same transaction as its effect."""
        try:
            return self._run_once(handle_request)
        except StoredResponseFound as earlier:
            status, body = earlier.stored
            return Response(body, status=status, headers={"Idempotency-Replayed": "true"})

    def _run_once(self, handle_request: Callable[[], Response]) -> Response:
        self._check_stored()
        try:
            with self._transaction:
                response = handle_request()
                self._save(response)
        except ReservationLost:
            self._check_stored()
            raise in_progress() from None
        if response.status_code < 300:
            self._is_reserved = False
        return response

    def _check_stored(self) -> None:
        stored = self._store.stored_response() if self._is_well_formed else None
        if stored is not None:
            raise StoredResponseFound(stored)

    def begin(self) -> None:
        """Reserve the key and open the transaction; called when the body is valid."""
        if not self._is_well_formed:
            raise Invalid.field(HEADER, f"{HEADER} must have 1 to 255 visible ASCII characters.")
        if self._is_reserved:
            return
        stored = self._store.reserve()
        if stored is not None:
            raise StoredResponseFound(stored)
        self._is_reserved = True
        self._transaction.enter_context(transaction.atomic())

    def _save(self, response: Response) -> None:
        if not self._is_reserved or response.status_code >= 300:
            return
        if not self._store.save(response.status_code, response.data):
            self._is_reserved = False
            raise ReservationLost

    def close(self, response: Response) -> None:
        """Store a 409; release the reservation for any other error, whose transaction was rolled back."""
        if not self._is_reserved:
            return
        try:
            if response.status_code == 409:
                self._store.save(409, response.data)
            else:
                self._store.release()
        except DatabaseError as error:
            logger.warning("a reservation could not be settled and ends by itself: %s", type(error).__name__)


def in_progress() -> Conflict:
    """Return the error of a request while an equal one is still running."""
    message = "The first request with this Idempotency-Key is still running. Wait a moment and send it again."
    return Conflict(message, "idempotency_in_progress")


def honor_idempotency_key(method: Callable[..., Response]) -> Callable[..., Response]:
    """Decorate a POST so that it honors the header."""

    @wraps(method)
    def post(view: Any, request: Any, *args: Any, **kwargs: Any) -> Response:
        django_request = request._request
        key = django_request.headers.get(HEADER)
        if key is None:
            return method(view, request, *args, **kwargs)
        try:
            body = django_request.body
        except (RequestDataTooBig, RawPostDataException):
            # Too large, or a multipart form: ``validated`` raises the error, as without the header.
            return method(view, request, *args, **kwargs)
        path = django_request.path_info.rstrip("/")
        identity = IdempotentRequest(key, request.method, path, view.route, request.actor, body)
        idempotency_attempt = django_request.idempotency_attempt = IdempotencyAttempt(
            key, import_string(settings.PORTAL_IDEMPOTENCY)(identity)
        )
        return idempotency_attempt.run(lambda: method(view, request, *args, **kwargs))

    return post
