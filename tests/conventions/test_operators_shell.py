"""What docs/operate.md has operators type to read the log and the settings, in a shell."""

import json
import os
import shutil
import subprocess

import pytest

from tests.test_docs_are_run import sections

pytestmark = pytest.mark.pure

PAGE = "docs/operate.md"
LINES = (
    {"event": "request", "request_id": "…", "status": 200, "level": "info"},
    {"event": "request", "request_id": "b", "status": 503, "level": "info"},
    {"event": "sweep failed", "level": "error", "exception": "Traceback"},
)
# systemd's own words stand between those of the portal, in the journal of a unit as well.
JOURNAL = "\n".join(
    ["Started portal-web.service - Integrations Portal, web.", *map(json.dumps, LINES), "[INFO] of before", ""]
)


def bash(script: str, **more) -> str:
    done = subprocess.run(["bash", "-c", f"set -eo pipefail\n{script}"], capture_output=True, text=True, **more)
    assert done.returncode == 0, script + done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("jq"), reason="needs jq")
def test_the_log_is_read_though_systemd_writes_between():
    commands = [each for each in sections(PAGE)["Logs"] if "jq" in each]
    found = []
    for command in commands:
        reads, _pipe, filters = command.partition(" | ")
        assert reads.startswith("journalctl -u portal-web") and reads.endswith("-o cat")
        found.append([json.loads(line) for line in bash(filters, input=JOURNAL).splitlines()])
    failed = {name: value for name, value in LINES[2].items() if name != "exception"}
    assert found == [[LINES[0]], [LINES[1]], [failed]]


def test_settings_come_into_the_shell_as_they_stand_in_the_file(tmp_path):
    commands = sections(PAGE)["When something is wrong"]
    typed = next(each for each in commands if each.startswith("for name in"))
    url = "postgres://portal:a%24b@127.0.0.1:5432/portal?sslmode=require"
    given = {"DATABASE_URL": url, "REDIS_URL": "", "METRICS_TOKEN": "t0k"}
    (tmp_path / ".env").write_text("".join(f"#{name}=no\n{name}={value}\n" for name, value in given.items()))
    asked = next(each for each in commands if each.startswith("curl -s -H"))
    typed += "\ncurl() { printf '%s\\n' \"$@\"; }\n" + asked + "\nenv"
    told = bash(typed, cwd=tmp_path, env={"PATH": os.environ["PATH"]}).splitlines()
    assert {f"{name}={value}" for name, value in given.items()} <= set(told)
    assert "Authorization: Bearer t0k" in told
