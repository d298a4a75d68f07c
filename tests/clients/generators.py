"""Programs that make API clients of the OpenAPI document: where they are, their commands, what they print."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conventions.tree import ROOT
from tests.test_docs_are_run import sections

REQUIRED = os.environ.get("PORTAL_DEV_TOOLS") == "required"
# Beside this Python, from requirements/clients.txt; from package.json; of the system.
FOLDERS = (str(Path(sys.executable).parent), str(ROOT / "tests/clients/node_modules/.bin"), os.environ["PATH"])
PATH = os.pathsep.join(FOLDERS)
BETA = "OpenAPI 3.1 support is still in beta."
# What openapi-generator prints of its progress, and its request for donations.
PROGRESS = re.compile(r"\[main\] INFO |#")
# One property is enough for a document that has nothing to warn of.
CONTROL = {
    "openapi": "3.0.3",
    "info": {"title": "Control", "version": "1"},
    "servers": [{"url": "https://portal.example.com"}],
    "paths": {
        "/things": {
            "get": {
                "operationId": "getThing",
                "responses": {
                    "200": {
                        "description": "A thing.",
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                    }
                },
            }
        }
    },
    "components": {"schemas": {"Thing": {"type": "object", "properties": {"name": {"type": "string"}}}}},
}


def tool(name: str) -> str:
    """Return the path of a program; without it skip the test, or fail it where the tools are required."""
    found = shutil.which(name, path=PATH)
    if found is None:
        (pytest.fail if REQUIRED else pytest.skip)(f"{name} is not installed (docs/integrate.md, Generate a client)")
    return found


def run(words: list[str], folder: Path, seconds: float = 300, **variables: str) -> str:
    """Run a program to its end and return all that it printed; fail the test where it fails."""
    environment = {**os.environ, "PATH": PATH, **variables}
    done = subprocess.run(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=seconds,
    )  # fmt: skip
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout[-4000:]}"
    return done.stdout


def documented_command(beginning: str) -> list[str]:
    """Return the command of docs/integrate.md that begins so."""
    commands = sections("docs/integrate.md")["Generate a client"]
    (found,) = [shlex.split(command, comments=True) for command in commands if command.startswith(beginning)]
    return found[1:] if found[0] == "npx" else found


def generate(beginning: str, folder: Path) -> list[str]:
    """Run a documented command in a folder with openapi.json; return what it printed beside its progress."""
    program, *rest = documented_command(beginning)
    if program == "openapi-generator-cli":
        tool("java")
    printed = run([tool(program), *rest], folder)
    return [line for line in printed.splitlines() if line and not PROGRESS.match(line)]


def notices(beginning: str, folder: Path) -> list[str]:
    """Run a documented command of openapi-generator; return its warnings, less the one about OpenAPI 3.1."""
    return [line for line in generate(beginning, folder) if BETA not in line]


def notices_of_control(beginning: str, folder: Path) -> set[str]:
    """Return the warnings of openapi-generator about a document of one path and one property."""
    folder.mkdir()
    (folder / "openapi.json").write_text(json.dumps(CONTROL))
    return set(notices(beginning, folder))
