"""`manage.py` on a bare machine: what it sets up, when it does so again, and what it says where it cannot.

Nothing here needs the network: each test gets a copy of the entry's files, locks of its own and wheels made by hand.
"""

import base64
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import demos

pytestmark = pytest.mark.pure

LEFT_SECONDS = 3.0
ROOT = Path(__file__).resolve().parents[2]
MODULES = ("__init__", "launcher/__init__", "launcher/bootstrap", "launcher/packages", "launcher/reaper",
           "launcher/signals", "launcher/usage", "environment/__init__", "environment/env_file", "demo/__init__",
           "demo/environment", "demo/web_server", "demo/processes")  # fmt: skip
ENTRY = ("manage.py", *(f"integrations_portal/{name}.py" for name in MODULES))
OURS = ("DATABASE_URL", "SECRET_KEY", "PUBLIC_URL", "EMAIL_URL", "ENCRYPTION_KEYS", "KEY_PEPPERS", "METRICS_TOKEN",
        "AUDIT_SIGNING_KEY", "ALLOWED_HOSTS", "WEBHOOK_ALLOW_CIDRS", "DEBUG", "DJANGO_SETTINGS_MODULE")  # fmt: skip
REPORT = "import json, os, sys; print(json.dumps([sys.prefix, sys.argv[1:], dict(os.environ), os.getcwd()]))"
FAKE_DJANGO = {
    "django/__init__.py": "",
    "django/conf.py": "from django.core.exceptions import ImproperlyConfigured\nimport os\n"
    "class Settings:\n"
    "    @property\n"
    "    def INSTALLED_APPS(self):\n"
    "        if 'REFUSE' in os.environ: raise ImproperlyConfigured('SECRET_KEY is not set.')\n"
    "settings = Settings()\n",
    "django/core/__init__.py": "",
    "django/core/exceptions.py": "class ImproperlyConfigured(Exception): pass\n",
    "django/db/__init__.py": "",
    "django/db/utils.py": "class OperationalError(Exception): pass\n",
    "django/core/management.py": f"def execute_from_command_line(argv):\n    {REPORT}\n",
    **{f"{name}.py": "" for name in ("environ", "rest_framework", "celery")},
}


def make_wheel(folder, name, files):
    """Write a wheel by hand; give its line of a lock."""
    info = f"{name}-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in files) + f"{info}/RECORD,,\n")
    return f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


class Project:
    """A copy of the entry in a folder of its own, and what one can do with it."""

    def __init__(self, root, wheels):
        self.root, self.wheels = root, wheels
        for path in ENTRY:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, root / path)
        base = make_wheel(wheels, "fakedjango", FAKE_DJANGO)
        tests = make_wheel(
            wheels, "fakepytest", {"pytest/__init__.py": "", "pytest/__main__.py": REPORT + "\nsys.exit(3)"}
        )
        (root / "requirements").mkdir()
        (root / "requirements/base.txt").write_text(
            base + "absent==9 ; sys_platform == 'none' \\\n    --hash=sha256:00\n"
        )
        (root / "requirements/test.txt").write_text(base + tests)

    def environment(self, more):
        """Give an environment without our settings, in which pip knows the wheels made by hand and nothing else."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PORTAL_", "PYTHON"))}
        kept = {key: value for key, value in kept.items() if key.removesuffix("_FILE") not in OURS}
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return {**kept, **pip, **more}

    def start(self, *words, python=(sys.executable,), **more):
        """Start manage.py and return at once."""
        return subprocess.Popen(
            [*python, self.root / "manage.py", *words],
            env=self.environment(more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.root,
        )  # fmt: skip

    def run(self, *words, **more):
        """Run manage.py to its end; `prefix`, `words` and `environ` are those of the interpreter it arrived in."""
        running = self.start(*words, **more)
        out, err = running.communicate(timeout=60)
        prefix, arrived, environ, cwd = json.loads(out) if out else [None] * 4
        told = {"prefix": prefix, "words": arrived, "environ": environ, "cwd": cwd}
        return SimpleNamespace(code=running.returncode, err=err, **told)

    @property
    def venv(self):
        return self.root / ".venv"

    def made(self):
        """Identify the environment: another one after it was made again."""
        return (self.venv / ".portal-made").stat().st_ino, (self.venv / "pyvenv.cfg").stat().st_mtime_ns


@pytest.fixture
def project(tmp_path):
    (tmp_path / "wheels").mkdir()
    return Project(tmp_path / "a project", tmp_path / "wheels")


@pytest.fixture
def bare_python(tmp_path):
    """A Python of its own as Debian has it: without ensurepip, refusing to be installed into; `pip` comes on demand."""
    real, version = Path(sys._base_executable).resolve(), f"python{sys.version_info[0]}.{sys.version_info[1]}"
    library = tmp_path / "system/lib" / version
    library.mkdir(parents=True)
    (tmp_path / "system/bin").mkdir()
    python = shutil.copy(real, tmp_path / "system/bin" / version)
    for entry in Path(os.__file__).parent.iterdir():
        if entry.name not in ("site-packages", "dist-packages", "ensurepip", "EXTERNALLY-MANAGED"):
            (library / entry.name).symlink_to(entry)
    (library / "EXTERNALLY-MANAGED").write_text("[externally-managed]\nError=Not in here.\n")
    told = subprocess.run([python, "-c", "import sys, venv; print(sys.base_prefix)"], capture_output=True, text=True)
    if told.stdout.strip() != str(tmp_path / "system"):
        pytest.skip("this Python cannot be copied")
    return SimpleNamespace(path=python, library=library)


def give_pip(bare_python):
    """Put the machine's own pip where the bare Python looks for packages: Debian's have a folder of their own."""
    looks = [bare_python.path, "-c", "import site; print(site.getsitepackages()[0])"]
    packages = Path(subprocess.run(looks, capture_output=True, text=True, check=True).stdout.strip())
    packages.mkdir(parents=True, exist_ok=True)
    for python in (sys.executable, sys._base_executable):
        told = subprocess.run([python, "-c", "import pip; print(*pip.__path__)"], capture_output=True, text=True)
        if told.stdout:
            (packages / "pip").symlink_to(told.stdout.strip())
            return
    pytest.skip("there is no pip on this machine")


def test_a_fresh_start_installs_and_a_second_one_does_nothing(project):
    first = project.run("demo", "--port", "8123")
    assert (first.code, first.prefix, first.words) == (0, str(project.venv), ["demo", "--port", "8123"])
    assert "installing 1 packages … (1/1)" in first.err
    assert "Successfully installed fakedjango" in (project.root / "var/bootstrap.log").read_text()
    made = project.made()
    second = project.run("demo")
    assert (second.prefix, second.err, project.made()) == (str(project.venv), "", made)


def test_the_tests_packages_are_added_and_serve_the_demo_too(project):
    project.run("demo")
    made = project.made()
    tests = project.run("test", "-k", "some thing")
    assert (tests.code, tests.prefix, tests.words) == (3, str(project.venv), ["-k", "some thing"])
    assert tests.cwd == str(project.root) and "SECRET_KEY" not in tests.environ
    assert project.run("demo").err == "" and project.run("test").err == ""
    assert project.made() == made


def test_what_is_no_longer_true_is_set_up_again(project):
    project.run("demo")
    for spoil in (change_lock, move, leave_half_done, change_python):
        made = project.made()
        spoil(project)
        again = project.run("demo")
        assert (again.code, again.prefix) == (0, str(project.venv)) and "making .venv" in again.err, spoil
        assert project.made() != made and project.run("demo").err == "", spoil


def change_lock(project):
    with (project.root / "requirements/base.txt").open("a") as lock:
        lock.write("# another\n")


def move(project):
    project.root = project.root.rename(project.root.with_name("moved"))


def leave_half_done(project):
    (project.venv / ".portal-ready").unlink()


def change_python(project):
    ready = project.venv / ".portal-ready"
    ready.write_text(re.sub(r'"python": "[\d.]+"', '"python": "3.1"', ready.read_text()))


def test_somebody_elses_environment_is_filled_and_never_removed(project):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project.venv], check=True)
    (project.venv / "precious").touch()
    assert project.run("demo").prefix == str(project.venv)
    assert (project.venv / "precious").exists() and project.run("demo").err == ""


def test_two_starts_at_once_set_up_once(project):
    both = [project.start("demo") for _ in range(2)]
    told = [each.communicate(timeout=60) for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert [json.loads(out)[0] for out, _ in told] == [str(project.venv)] * 2
    assert sum("making .venv" in err for _, err in told) == 1


def test_a_python_that_refuses_packages_and_has_no_ensurepip_will_do(project, bare_python):
    give_pip(bare_python)
    refused = subprocess.run([bare_python.path, "-m", "pip", "install", "x"], capture_output=True, text=True)
    assert "externally-managed" in refused.stderr
    done = project.run("demo", python=(bare_python.path,))
    assert (done.code, done.prefix) == (0, str(project.venv)), done.err


def test_without_any_pip_one_sentence_says_what_to_install(project, bare_python):
    done = project.run("demo", python=(bare_python.path,))
    assert done.code == 1 and "Traceback" not in done.err
    assert "pip 22.3 or newer is needed: install it" in done.err.splitlines()[-1]
    give_pip(bare_python)
    assert project.run("demo", python=(bare_python.path,)).code == 0


def test_a_failed_install_shows_pips_words_and_what_to_do(project):
    shutil.rmtree(project.wheels)
    done = project.run("demo")
    assert done.code == 1 and "No matching distribution" in done.err
    assert "check the network" in done.err.splitlines()[-1] and "bootstrap.log" in done.err


def test_an_old_or_too_new_python_is_told_which_ones_will_do():
    spec = importlib.util.spec_from_file_location("entry", ROOT / "manage.py")
    entry = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(entry)
    assert entry.unsupported_python_message((3, 9, 18)) == "manage.py needs Python 3.11 to 3.14, this is 3.9."
    assert entry.unsupported_python_message((3, 15, 0, "alpha", 1)) and not entry.unsupported_python_message((3, 14, 0))
    compile((ROOT / "manage.py").read_text().encode("ascii"), "manage.py", "exec")


def test_a_named_environment_is_used_as_it_is(project, tmp_path):
    named = tmp_path / "named"
    assert "no bin/python" in project.run("demo", PORTAL_VENV=str(named)).err
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", named], check=True)
    lacking = project.run("demo", PORTAL_VENV=str(named))
    assert lacking.code == 1 and "no complete set of packages" in lacking.err
    packages = next((named / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(project.wheels / "fakedjango-1.0-py3-none-any.whl").extractall(packages)
    for words in (["demo"], ["check"]):
        done = project.run(*words, PORTAL_VENV=str(named))
        assert (done.code, done.prefix, done.words) == (0, str(named), words)
    assert not project.venv.exists()
    # The same folder as the running interpreter, which carries what the lock wants: in place, without the name.
    assert project.run("demo", python=(named / "bin/python",)).prefix == str(named)
    assert not project.venv.exists()


def test_other_commands_find_the_environment_by_themselves(project):
    bare = (sys.executable, "-S")  # without its packages
    lost = project.run("create_api_key", python=bare)
    assert lost.code == 1 and lost.err.startswith("Django is not installed here: run `python3 manage.py demo`")
    started = project.run("demo", "--port", "8123").environ
    found = project.run("create_api_key", "--org", "acme", python=bare)
    assert (found.prefix, found.words) == (str(project.venv), ["create_api_key", "--org", "acme"])
    same = ("DATABASE_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "PUBLIC_URL")
    assert [found.environ[name] for name in same] == [started[name] for name in same]
    own = project.run("check", python=bare, SECRET_KEY="mine")
    assert own.environ["SECRET_KEY"] == "mine" and "DATABASE_URL" not in own.environ
    refused = project.run("check", python=bare, REFUSE="1")
    assert (refused.code, refused.err) == (1, "SECRET_KEY is not set.\n")


def test_the_demos_settings_are_private_and_survive(project):
    first = project.run("demo", "--port=8123").environ
    file = project.root / "var/demo.env"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)] == [0o700, 0o600]
    assert first["PUBLIC_URL"] == "http://localhost:8123" and "PUBLIC_URL=http://localhost:8123\n" in file.read_text()
    assert [len(base64.b64decode(first[name][-44:])) for name in ("AUDIT_SIGNING_KEY", "ENCRYPTION_KEYS")] == [32, 32]
    again = project.run("demo", DATABASE_URL="postgres://u:word@h/d", METRICS_TOKEN="mine", KEY_PEPPERS_FILE="/f")
    assert again.environ["SECRET_KEY"] == first["SECRET_KEY"] and again.environ["METRICS_TOKEN"] == "mine"
    assert "KEY_PEPPERS" not in again.environ
    named = project.run("demo", PUBLIC_URL="http://127.0.0.1:9000", PORTAL_VENV=str(project.venv)).environ
    assert named["PUBLIC_URL"] == "http://127.0.0.1:9000" and again.environ["PUBLIC_URL"] == "http://localhost:8000"
    assert again.environ["DATABASE_URL"] == first["DATABASE_URL"] and "a%20project" in first["DATABASE_URL"]
    assert len(again.err.splitlines()) == 1 and "DATABASE_URL" in again.err and "word" not in again.err


def test_typed_commands_read_the_file_of_settings(project):
    bare, file = (sys.executable, "-S"), project.root / ".env"
    project.run("demo")
    file.write_text("SECRET_KEY=\nDATABASE_URL=sqlite:///var/portal.sqlite3\n")
    assert "demo.sqlite3" in project.run("check", python=bare).environ["DATABASE_URL"], "not filled in yet"
    file.write_text(
        "# A remark\n\nSECRET_KEY='of the file'\nDATABASE_URL=\"postgres://h/d?a=1&b=2\"\n"
        "DEFAULT_FROM_EMAIL=Name of ours <a@b.example>\nMETRICS_TOKEN=\n"
    )
    found = project.run("check", python=bare).environ
    assert (found["SECRET_KEY"], found["DATABASE_URL"]) == ("of the file", "postgres://h/d?a=1&b=2")
    assert (found["DEFAULT_FROM_EMAIL"], found["METRICS_TOKEN"]) == ("Name of ours <a@b.example>", "")
    assert "demo.sqlite3" in project.run("demo").environ["DATABASE_URL"]
    assert "DEFAULT_FROM_EMAIL" not in project.run("check", python=bare, SECRET_KEY="mine").environ
    other = project.run("check", python=bare, DATABASE_URL="postgres://other/d", METRICS_TOKEN_FILE="/f").environ
    assert (other["SECRET_KEY"], other["DATABASE_URL"]) == ("of the file", "postgres://other/d")
    assert "METRICS_TOKEN" not in other
    for line, said in (("SECRET_KEY", "NAME=value"), ("SECRET_KEY=a\\b", "backslash")):
        file.write_text(f"DEBUG=false\n{line}\n")
        refused = project.run("check", python=bare)
        assert refused.code == 1 and f"{file}, line 2: " in refused.err and said in refused.err


@pytest.fixture
def silent_index():
    """A package index that takes connections and says nothing: pip waits."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening, f"http://127.0.0.1:{listening.getsockname()[1]}/"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_set_up_that_is_ended_leaves_no_pip_behind(project, silent_index, number):
    listening, url = silent_index
    started = project.start("demo", PIP_FIND_LINKS=url)
    listening.settimeout(60)
    with listening.accept()[0]:
        began = time.monotonic()
        started.send_signal(number)
        told = started.communicate(timeout=10)[1]
        assert started.returncode == (130 if number == signal.SIGINT else -number)
        assert "Traceback" not in told and ("stopped; the next start" in told) == (number == signal.SIGINT)
        while left := demos.left_in(project.root):
            if time.monotonic() - began > LEFT_SECONDS:
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
                pytest.fail(f"still there: {left}")
            time.sleep(0.02)
    assert project.run("demo").code == 0


def test_help_installs_nothing_and_makes_nothing(project):
    bare = (sys.executable, "-SB")  # without its packages
    before = sorted(project.root.rglob("*"))
    for words, says in (
        (["demo", "--help"], "[--port PORT] [--reset] [--json]"), (["help", "demo"], "[--port PORT]"),
        (["test", "--help"], "Run the test suite"), (["--help"], "On a machine with Python and pip alone"),
        (["help"], "demo    serve the whole portal"), ([], "test    run the test suite"),
    ):  # fmt: skip
        running = project.start(*words, python=bare)
        told, problems = running.communicate(timeout=60)
        assert (running.returncode, problems) == (0, "") and told.startswith("usage: manage.py") and says in told, words
    lost = project.run("worker", "--help", python=bare)
    assert lost.code == 1 and lost.err.startswith("Django is not installed here")
    slip = project.run("demo", "--prot", "9000", python=bare)
    assert slip.code == 2 and "unrecognized arguments: --prot" in slip.err
    assert sorted(project.root.rglob("*")) == before


def test_reset_starts_over_and_lost_secrets_are_noticed(project):
    secret = project.run("demo").environ["SECRET_KEY"]
    files = [project.root / "var" / name for name in ("demo.sqlite3", "demo.sqlite3-wal", "demo.sqlite3-shm")]
    for file in files:
        file.touch()
    assert project.run("demo", "--reset").environ["SECRET_KEY"] != secret
    assert [file for file in files if file.exists()] == []
    files[0].touch()
    (project.root / "var/demo.env").unlink()
    lost = project.run("demo")
    assert lost.code == 1 and "start with --reset" in lost.err
