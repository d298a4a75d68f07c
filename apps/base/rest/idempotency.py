"""One effect for any number of equal POSTs: the road that a request with ``Idempotency-Key`` takes.

Reserved first, in a commit of its own, where a unique constraint decides races. Then one transaction around the action
and its stored answer: a crash before its commit leaves a reservation, which is free after a while; a crash after it
leaves the answer, which the next equal request gets. Who keeps reservations and answers is named in settings.

The transaction begins when the body is known to be good (``PortalView.validated``), so that what is slow or refused on
the way there holds no lock.
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
    """What makes two requests the same one: header, method, path, who calls, and the bytes of the body."""

    key: str
    method: str
    path: str
    route: str
    actor: Actor
    body: bytes


class StoredResponse(NamedTuple):
    """The answer that the first request got."""

    status: int
    body: Any


class IdempotencyStore(Protocol):
    """Keeps reservations and answers; one object for one request. Made from an ``IdempotentRequest``."""

    def stored_response(self) -> StoredResponse | None:
        """Return the stored answer to the same request, if there is one."""

    def reserve(self) -> StoredResponse | None:
        """Reserve, or return the answer that was stored meanwhile; it raises Conflict for the rest."""

    def save(self, status: int, body: Any) -> bool:
        """Store the answer, or return False where somebody else has taken the reservation over."""

    def release(self) -> None:
        """Give the reservation back, where it is still this request's own."""


class AnsweredBefore(Exception):
    """The request was answered already; ends the view's method early."""

    def __init__(self, answer: StoredResponse) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Overtaken(Exception):
    """This request took so long that an equal one has taken its reservation: its own effect must not stay."""


class Attempt:
    """One request with the header, from its look at what was answered before to the answer that is kept."""

    def __init__(self, key: str, store: IdempotencyStore) -> None:
        self._is_well_formed = KEY.fullmatch(key) is not None
        self._store = store
        self._transaction = ExitStack()
        self._is_reserved = False

    def run(self, act: Callable[[], Response]) -> Response:
        """Return the first answer again, or that of ``act``, stored in the transaction of its effect."""
        try:
            return self._first(act)
        except AnsweredBefore as before:
            status, body = before.answer
            return Response(body, status=status, headers={"Idempotency-Replayed": "true"})

    def _first(self, act: Callable[[], Response]) -> Response:
        self._recall()
        try:
            with self._transaction:
                response = act()
                self._keep(response)
        except Overtaken:
            self._recall()
            raise in_progress() from None
        if response.status_code < 300:
            self._is_reserved = False
        return response

    def _recall(self) -> None:
        answer = self._store.stored_response() if self._is_well_formed else None
        if answer is not None:
            raise AnsweredBefore(answer)

    def begin(self) -> None:
        """Reserve and open the transaction: called once the body is known to be good."""
        if not self._is_well_formed:
            raise Invalid.field(HEADER, f"{HEADER} must have 1 to 255 visible ASCII characters.")
        if self._is_reserved:
            return
        answer = self._store.reserve()
        if answer is not None:
            raise AnsweredBefore(answer)
        self._is_reserved = True
        self._transaction.enter_context(transaction.atomic())

    def _keep(self, response: Response) -> None:
        if not self._is_reserved or response.status_code >= 300:
            return
        if not self._store.save(response.status_code, response.data):
            self._is_reserved = False
            raise Overtaken

    def close(self, response: Response) -> None:
        """Keep a 409, and free the reservation of every other refusal; its transaction is rolled back."""
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
    """Return the refusal of a request whose equal is still running."""
    message = "The first request with this Idempotency-Key is still running. Wait a moment and send it again."
    return Conflict(message, "idempotency_in_progress")


def answers_once(method: Callable[..., Response]) -> Callable[..., Response]:
    """Have a POST honour the header."""

    @wraps(method)
    def post(view: Any, request: Any, *args: Any, **kwargs: Any) -> Response:
        raw = request._request
        key = raw.headers.get(HEADER)
        if key is None:
            return method(view, request, *args, **kwargs)
        try:
            body = raw.body
        except (RequestDataTooBig, RawPostDataException):
            # Too large, or a form of another type: refused by ``validated`` as it is without the header.
            return method(view, request, *args, **kwargs)
        path = raw.path_info.rstrip("/")
        asked = IdempotentRequest(key, request.method, path, view.route, request.actor, body)
        attempt = raw.attempt = Attempt(key, import_string(settings.PORTAL_IDEMPOTENCY)(asked))
        return attempt.run(lambda: method(view, request, *args, **kwargs))

    return post
