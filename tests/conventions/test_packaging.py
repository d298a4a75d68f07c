"""The files that nobody runs here are at least well-formed: Dockerfile, compose.yaml, .env.example, .ci/run."""

import os
import re
import subprocess

import pytest
import yaml

from tests.conventions.tree import ROOT, read

pytestmark = pytest.mark.pure

INSTRUCTIONS = {
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN", "SHELL",
    "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip
SERVICES = {"postgres", "redis", "migrate", "web", "worker"}


def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments, lines joined."""
    lines = [line for line in read("Dockerfile").splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def compose() -> dict:
    """Read compose.yaml, merges applied."""
    return yaml.safe_load(read("compose.yaml"))


def test_the_dockerfile_knows_its_instructions_and_starts_from_images():
    found = dockerfile()
    assert {name for name, _ in found} <= INSTRUCTIONS
    assert found[0][0] == "FROM"
    assert [rest.split()[0] for name, rest in found if name == "FROM"] == ["python:3.13-slim-trixie"] * 2


def test_lists_in_the_dockerfile_are_valid_json():
    for name, rest in dockerfile():
        argument = rest.partition("CMD ")[2] if name == "HEALTHCHECK" else rest
        if argument.startswith("["):
            assert all(isinstance(word, str) for word in yaml.safe_load(argument)), rest


def test_the_image_runs_as_somebody_who_is_not_root():
    last_stage = dockerfile()[max(i for i, (name, _) in enumerate(dockerfile()) if name == "FROM") :]
    users = [rest for name, rest in last_stage if name == "USER"]
    assert users and re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])
    names = [name for name, _ in last_stage]
    assert names.index("USER") < names.index("CMD") and "HEALTHCHECK" in names


def test_the_image_holds_no_secret_and_no_data():
    ignored = set(read(".dockerignore").split())
    assert {".git", ".env", ".env.*", "var", ".venv", "tests"} <= ignored


def test_compose_has_its_services_from_one_image():
    services = compose()["services"]
    assert set(services) == SERVICES
    assert {services[name]["image"] for name in ("migrate", "web", "worker")} == {"integrations-portal"}
    assert [name for name in ("postgres", "redis", "migrate", "worker") if "healthcheck" not in services[name]] == []
    assert [name for name in ("migrate", "web", "worker") if services[name]["env_file"] != ".env"] == []


def test_compose_serves_only_after_the_migration():
    services = compose()["services"]
    for name in ("web", "worker"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_the_image_backs_up_the_server_of_compose():
    server = compose()["services"]["postgres"]["image"].partition(":")[2]
    (installed,) = [rest for name, rest in dockerfile() if name == "RUN" and "apt-get install" in rest]
    assert f"postgresql-client-{server} " in installed
    assert all("-trixie" in rest for name, rest in dockerfile() if name == "FROM"), "the release that has that client"


def test_logs_of_containers_have_an_end():
    for name, service in compose()["services"].items():
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name


def test_compose_holds_no_secret():
    given = [value for service in compose()["services"].values() for value in service.get("environment", {}).items()]
    secret = [(name, value) for name, value in given if re.search(r"PASSWORD|SECRET|KEY", name)]
    assert secret
    assert [name for name, value in secret if not value.startswith("${")] == []


def test_the_example_of_the_environment_holds_no_secret():
    pairs = dict(line.split("=", 1) for line in read(".env.example").splitlines() if line and line[0] != "#")
    names = ("SECRET_KEY", "ENCRYPTION_KEYS", "KEY_PEPPERS", "AUDIT_SIGNING_KEY", "METRICS_TOKEN", "POSTGRES_PASSWORD")
    assert [pairs[name] for name in names] == [""] * len(names)


def test_ci_is_a_script_that_bash_can_read():
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "set -euo pipefail" in read(".ci/run")
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True, stdin=subprocess.DEVNULL)
