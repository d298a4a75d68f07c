"""A fuzzer whose calls reach Acme's objects."""

import re
from typing import Any

import pytest
from django.db import connection

from tests.contract import Contract
from tests.house import conftest as house
from tests.openapi.fuzzing import Caller, Fuzzer

samples = house.samples
KINDS = {
    "users": "user", "invitations": "invitation", "api-keys": "key", "webhook-endpoints": "endpoint",
    "events": "event", "deliveries": "delivery", "replays": "replay", "sdk-keys": "sdk_key", "sdk": "activation",
}  # fmt: skip


@pytest.fixture
def fuzzer(samples: house.Samples, make_key: Any, acme: Any, monkeypatch: pytest.MonkeyPatch) -> Fuzzer:
    """With a key that may do everything and has no limits, an SDK key with a device, and one object of each kind."""
    # A web server's application closes what the test has its transaction in.
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)
    key = make_key(acme, "admin", type="internal")

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
