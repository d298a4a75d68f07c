"""SDK keys of Acme, one of each platform, as the system makes them."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.base.actor import system
from apps.sdk_keys import actions
from tests.conftest import Api, Key

BUNDLE = "com.acme.app"
CERT = ":".join(["AB"] * 32)
ORIGIN = "https://app.acme.example"
APPS: dict[str, dict[str, Any]] = {
    "ios": {"app_id": BUNDLE},
    "android": {"app_id": BUNDLE},
    "web": {"origins": [ORIGIN]},
}


@pytest.fixture
def make_sdk_key(acme) -> Callable[..., Key]:
    """Makes an SDK key of Acme, or of the organization that is named; for iOS unless said otherwise."""

    def make(platform: str = "ios", organization: Any = None, **values: Any) -> Key:
        new = actions.NewSdkKey(**{"name": "Field app", "platform": platform, **APPS[platform], **values})
        return Key(*actions.create_sdk_key(actor=system((organization or acme).pk), new=new))

    return make


@pytest.fixture
def ios(make_sdk_key) -> Key:
    return make_sdk_key("ios", activation_limit=2)


class App:
    """An app that holds an SDK key."""

    def __init__(self, key: Key, **body: Any) -> None:
        self.api, self.body = Api(key), body

    def activate(self, device_id: str = "phone-1", **more: Any) -> Any:
        headers = more.pop("headers", {})
        body = {"device_id": device_id, **self.body, **more}
        return self.api.post("/v1/sdk/activations", body, headers=headers)

    def call(self, method: str, activation: dict[str, Any], path: str = "", **options: Any) -> Any:
        token = options.pop("token", activation["token"])
        headers = {"X-Activation-Token": token, **options.pop("headers", {})}
        return getattr(self.api, method)(f"/v1/sdk/activations/{activation['id']}{path}", headers=headers, **options)


@pytest.fixture
def app(ios) -> App:
    return App(ios, app_id=BUNDLE)
