"""A sender limited to loopback, a receiving server there, and certificates of a test authority."""

from collections.abc import Callable, Iterator

import pytest

from apps.webhooks.engine.sender import Sender
from tests.receivers import Receiver, TestCertificates, make_certificates
from tests.senders import LOCAL, StubResolver


@pytest.fixture
def make_sender() -> Iterator[Callable[..., Sender]]:
    made: list[Sender] = []

    def make(**options: object) -> Sender:
        made.append(Sender(**({"policy": LOCAL, "resolver": StubResolver()} | options)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for sender in made:
        sender.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> TestCertificates:
    return make_certificates(tmp_path_factory.mktemp("ca"), "hooks.example.com")
