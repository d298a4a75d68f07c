"""A machine in a folder, on which commands of docs/run.md are typed: /srv, /etc, services and two ports of its own.

The programs, nginx and the portal are real. In the place of systemd stands a program that starts what a unit names,
with its folder and its environment, and ends it as systemd does; in the place of pip and venv the packages there are.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import HOST, free_port, start

ROOT = Path(__file__).resolve().parents[1]
SYSTEMD = f"""#!{sys.executable}
import os, signal, subprocess, sys, time
from pathlib import Path

root = Path(os.environ["MACHINE"])

def unit(name):
    lines = (root / "etc/systemd/system" / (name + ".service")).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))

def group(name):
    try:
        number = int((root / "run" / name).read_text())
        os.killpg(number, 0)
        return number
    except (OSError, ValueError):
        return 0

def start(name):
    if name == "portal-backup" or group(name):
        return
    values = unit(name)
    file = Path(values["EnvironmentFile"]).read_text().splitlines()
    own = dict(line.split("=", 1) for line in file if "=" in line)
    with open(root / "log" / name, "ab") as log:
        child = subprocess.Popen(values["ExecStart"].split(), cwd=values["WorkingDirectory"], stdout=log, stderr=log,
                                 stdin=subprocess.DEVNULL, env={{**os.environ, **own}}, start_new_session=True)
    (root / "run" / name).write_text(str(child.pid))

def stop(name):
    number, until = group(name), time.monotonic() + float(unit(name)["TimeoutStopSec"])
    if number:
        os.kill(number, signal.SIGTERM)
    while group(name) and time.monotonic() < until:
        time.sleep(0.1)
    if group(name):
        os.killpg(number, signal.SIGKILL)

verb, *names = sys.argv[1:]
for name in names:
    if name == "nginx":
        subprocess.run(["nginx", "-s", "reload"], check=True)
        continue
    if verb in ("stop", "restart"):
        stop(name)
    if verb in ("start", "restart"):
        start(name)
"""
SHELL = {
    "runuser": 'shift 3\nset -a\nPGAPPNAME=migrate\n. ./.env\nset +a\nexec "$@"\n',
    "install": 'for last; do :; done\nmkdir -p "$last"\n',
    "python3": 'mkdir -p "$3/bin"\nfor each in python granian; do cp "$MACHINE/bin/venv-$each" "$3/bin/$each"; done\n'
    'printf "#!/bin/sh\\n" > "$3/bin/pip"\nchmod +x "$3/bin/pip"\n',
    "venv-python": f'exec {sys.executable} "$@"\n',
    "venv-granian": f'exec {Path(sys.executable).with_name("granian")} "$@"\n',
}
NGINX = """worker_processes 1;
daemon off;
pid {root}/run/nginx.pid;
error_log {root}/log/nginx.error;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {root}/tmp/body; proxy_temp_path {root}/tmp/proxy; fastcgi_temp_path {root}/tmp/fastcgi;
    uwsgi_temp_path {root}/tmp/uwsgi; scgi_temp_path {root}/tmp/scgi;
    include {root}/etc/nginx/conf.d/*.conf;
    include {root}/etc/nginx/sites-available/portal;
}}
"""
# The page's own, but for TLS, which ends before this one.
SITE = """server {{
    listen {HOST}:{port};
    client_max_body_size 1m;
    client_body_timeout 15s;
    location / {{
        proxy_pass http://127.0.0.1:8000;
        proxy_set_header Host portal.example.com;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto https;
        proxy_next_upstream off;
    }}
}}
"""


class Machine:
    """Where commands are typed as root, until ``stop``."""

    def __init__(self, root: Path) -> None:
        self.root, self.port = root, free_port()
        self.webs = {"8000": str(free_port()), "8001": str(free_port())}
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        if nginx is None:
            pytest.skip("needs nginx")
        for name in (
            "srv",
            "etc/systemd/system",
            "etc/nginx/conf.d",
            "etc/nginx/sites-available",
            "run",
            "log",
            "bin",
            "tmp",
        ):
            (root / name).mkdir(parents=True)
        (root / "etc/nginx/nginx.conf").write_text(NGINX.format(root=root))
        (root / "etc/nginx/sites-available/portal").write_text(self.here(SITE.format(HOST=HOST, port=self.port)))
        programs = {name: f"#!/bin/sh\n{script}" for name, script in SHELL.items()} | {"systemctl": SYSTEMD}
        programs["nginx"] = f'#!/bin/sh\nexec {nginx} -c "$MACHINE/etc/nginx/nginx.conf" "$@"\n'
        for name, script in programs.items():
            (root / "bin" / name).write_text(script)
            (root / "bin" / name).chmod(0o755)
        (root / ".gitconfig").write_text("[safe]\n\tdirectory = *\n[advice]\n\tdetachedHead = false\n")
        self.variables = {"PATH": f"{root}/bin:{os.environ['PATH']}", "MACHINE": str(root), "HOME": str(root),
                          "NAME": "portal.example.com"}  # fmt: skip
        self.nginx = start([str(root / "bin/nginx")], root / "log", "nginx", {**self.variables})

    def here(self, text: str) -> str:
        """Return a command or a file with the paths and the ports of this machine."""
        text = re.sub(r"(?<![\w.])/(srv|etc)/", rf"{self.root}/\1/", text)
        for port, own in self.webs.items():
            text = text.replace(port, own)
        return text

    def write(self, path: str, text: str) -> None:
        """Put a file in place."""
        Path(self.here(path)).write_text(self.here(text))

    def type(self, commands: str, **variables: str) -> str:
        """Type commands into one shell, each of which must end well."""
        done = subprocess.run(
            ["bash", "-ec", self.here(commands)], cwd=self.root, env={**self.variables, **variables}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, f"{commands}\n{done.stdout[-3000:]}\n{self.logs()}"
        return done.stdout

    def logs(self) -> str:
        """Return the end of what each process has written."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text()[-1500:]}" for path in sorted((self.root / "log").iterdir())
        )

    def stop(self) -> None:
        """End everything that runs on it."""
        for unit in (self.root / "run").glob("portal-*"):
            try:
                os.killpg(int(unit.read_text()), signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.nginx.process.terminate()
        self.nginx.process.wait(10)
        self.nginx.kill()
