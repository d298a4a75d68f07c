"""A running portal with keys for its generated clients, its OpenAPI document, and the two clients in Python."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients import generators
from tests.servers import Portal, portal


@dataclass
class Keys:
    """Keys of Acme, one that may do all and one that only reads users, and a platform key that verifies."""

    admin: str
    reader: str
    platform: str


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal on loopback. Endpoints may be there, too; no worker runs, so that nothing is sent."""
    folder = tmp_path_factory.mktemp("portal")
    with portal(folder, WEBHOOK_ALLOW_CIDRS="127.0.0.0/8") as running:
        yield running


@pytest.fixture(scope="session")
def url(server: Portal) -> str:
    """Where the portal is."""
    return f"http://127.0.0.1:{server.ports[0]}"


@pytest.fixture(scope="session")
def keys(server: Portal) -> Keys:
    """Keys, made by commands."""
    words = ("--org", "platform", "--type", "platform", "--name", "Gateway", "--scopes", "api_keys:verify", "--json")
    return Keys(
        admin=server.make_key("admin", type="internal")["key"],
        reader=server.make_key("users:read")["key"],
        platform=json.loads(server.manage("create_api_key", *words))["key"],
    )


@pytest.fixture(scope="session")
def document(server: Portal) -> bytes:
    """The OpenAPI document of the running portal."""
    answer = server.get("/openapi.json")
    assert answer.status == 200
    return answer.body


@pytest.fixture
def folder(document: bytes, tmp_path: Path) -> Path:
    """A folder with the document."""
    (tmp_path / "openapi.json").write_bytes(document)
    return tmp_path


@dataclass
class Generated:
    """What a generator made: where it is, and what it printed beside its progress."""

    folder: Path
    printed: list[str]


def _importable(
    beginning: str, subfolder: str, document: bytes, factory: pytest.TempPathFactory
) -> Iterator[Generated]:
    folder = factory.mktemp("client")
    (folder / "openapi.json").write_bytes(document)
    generated = Generated(folder / subfolder, generators.generate(beginning, folder))
    sys.path.insert(0, str(generated.folder))
    yield generated
    sys.path.remove(str(generated.folder))


@pytest.fixture(scope="session")
def portal_client(document: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    """Make the package ``portal_client`` with openapi-python-client; it can be imported."""
    yield from _importable("openapi-python-client", "", document, tmp_path_factory)


@pytest.fixture(scope="session")
def openapi_client(document: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    """Make the package ``openapi_client`` with openapi-generator; it can be imported."""
    yield from _importable("openapi-generator-cli generate -g python", "python", document, tmp_path_factory)
