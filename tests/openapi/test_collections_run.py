"""The command-line programs of Postman and Bruno run every request of the collections against a running portal.

They come from npm and are no part of CI: ``npm install newman @usebruno/cli`` in any folder, and its
``node_modules/.bin`` in ``PATH``.
"""

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zipfile import ZipFile

import pytest
import requests

from apps.api_keys.actions import Lifetime
from tests.conftest import Api

SECONDS = 120
# Ids in paths are examples, so what one object answers is 404.
ANSWERS = {200, 201, 202, 207, 404}


@pytest.fixture
def keys(live_server: Any, settings: Any, acme: Any, make_key: Any) -> dict[str, str]:
    """Keys that may do everything, for the portal that runs at the address in the collections."""
    settings.PUBLIC_URL = live_server.url
    key = make_key(acme, "admin", type="internal", lifetime=Lifetime.days(365)).text
    wanted = {"name": "App", "platform": "ios", "app_id": "com.acme.app"}
    return {"API_KEY": key, "SDK_KEY": Api(key).post("/v1/sdk-keys", wanted).json()["key"]}


def download(url: str, to: Path) -> Path:
    to.write_bytes(requests.get(url, timeout=SECONDS).content)
    return to


def run(folder: Path, keys: dict[str, str], *words: str) -> None:
    variables = [word for name, value in keys.items() for word in ("--env-var", f"{name}={value}")]
    done = subprocess.run([*words, *variables], cwd=folder, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def judge(paths: list[str], statuses: list[int]) -> None:
    assert [path for path in paths if ":" in path or "{" in path] == []
    answers = Counter(statuses)
    assert answers.total() == len(paths) > 50
    assert set(answers) <= ANSWERS and answers[200] + answers[201] + answers[202] > 20, answers


@pytest.mark.skipif(not shutil.which("newman"), reason="needs newman")
def test_postmans_program_gets_an_answer_to_every_request(
    live_server: Any, keys: dict[str, str], tmp_path: Path
) -> None:
    download(f"{live_server.url}/docs/postman.json", tmp_path / "collection.json")
    report = ("--reporters", "json", "--reporter-json-export", "report.json")
    run(tmp_path, keys, "newman", "run", "collection.json", *report)
    executions = json.loads((tmp_path / "report.json").read_text())["run"]["executions"]
    paths = ["/".join(each["request"]["url"]["path"]) for each in executions]
    judge(paths, [each["response"]["code"] for each in executions])


@pytest.mark.skipif(not shutil.which("bru"), reason="needs bru, the program of @usebruno/cli")
def test_brunos_program_gets_an_answer_to_every_request(live_server: Any, keys: dict[str, str], tmp_path: Path) -> None:
    with ZipFile(download(f"{live_server.url}/docs/bruno.zip", tmp_path / "collection.zip")) as archive:
        archive.extractall(tmp_path)
    (folder,) = (path.parent for path in tmp_path.glob("*/bruno.json"))
    report = ("--format", "json", "--output", "report.json")
    run(folder, keys, "bru", "run", "-r", "--env", "Portal", *report)
    (whole,) = json.loads((folder / "report.json").read_text())
    paths = [urlsplit(each["request"]["url"]).path for each in whole["results"]]
    judge(paths, [each["response"]["status"] for each in whole["results"]])
