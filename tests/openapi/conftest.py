"""Fixtures of API document tests: a fuzzer whose requests reach Acme's objects."""

import re
import socket
from typing import Any

import pytest
from django.db import connection

from apps.credentials.rules import Lifetime
from tests.contract import Contract
from tests.conventions import conftest as conventions
from tests.openapi.fuzzing import Caller, Fuzzer

samples = conventions.samples
KINDS = {
    "users": "user", "invitations": "invitation", "api-keys": "key", "webhook-endpoints": "endpoint",
    "events": "event", "deliveries": "delivery", "replays": "replay", "sdk-keys": "sdk_key", "sdk": "activation",
}  # fmt: skip


def _of_this_machine(host: Any, *rest: Any, _look_up: Any = socket.getaddrinfo, **more: Any) -> Any:
    """No address that a case makes up is looked up, whatever it is stored for."""
    assert host in ("127.0.0.1", "localhost", "::1"), f"a case looked up {host}"
    return _look_up(host, *rest, **more)


@pytest.fixture
def fuzzer(
    samples: conventions.Samples, make_key: Any, acme: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Fuzzer:
    """With a key that may do everything and has no limits, an SDK key with a device, and one object of each kind."""
    monkeypatch.setattr(socket, "getaddrinfo", _of_this_machine)
    # A web server's application closes what the test has its transaction in.
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)
    # A hash that is slow on purpose would take most of the time.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # It may make keys that live as long as those of the examples.
    key = make_key(acme, "admin", type="internal", lifetime=Lifetime.days(365))

    def caller_of(path: str) -> Caller:
        kind = path.split("/")[2]
        names = re.findall(r"{(\w+)}", path)
        ids = {name: "order.created" if name == "name" else samples.rows[KINDS[kind]].public_id for name in names}
        if "act" in ids:
            ids["act"] = samples.rows["activation"].public_id
        if kind == "leaked-keys":
            return Caller({}, ids)
        if kind == "sdk":
            headers = {"Authorization": f"Bearer {samples.app_key}", "X-Activation-Token": samples.device_token}
            return Caller(headers, ids)
        return Caller(key.headers, ids)

    return Fuzzer(Contract(), caller_of)
