"""A shell in a folder of its own, in which commands of the documentation are typed."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from tests import demos
from tests.programs import need

# What a page leaves open stands for the newest text of its form that was printed.
PLACEHOLDERS = {"ipk_…": r"ipk_\w{50}", "ips_…": r"ips_\w{50}", "whsec_…": r"whsec_[\w+/=]+", "act_…": r"act_\w{22}",
                "key_…": r"key_\w{22}"}  # fmt: skip
# What serves until it is stopped.
LONG_RUNNING = ("manage.py listen", "manage.py worker", "granian ")


class Shell:
    """One shell: what it is in, what it has seen so far, and what it left running."""

    def __init__(self, folder: Path, environment: dict[str, str], replaced: dict[str, str], seen: str = "") -> None:
        self.folder, self.environment, self.replaced, self.seen = folder, environment, replaced, seen
        self.running: list[subprocess.Popen] = []

    def filled(self, command: str) -> str:
        """Put what was printed into the places that a page leaves open."""
        command = re.sub(r"(?:python3 |\.venv/bin/python )?manage\.py ", f"{sys.executable} manage.py ", command)
        for old, new in self.replaced.items():
            command = command.replace(old, new)
        for mark, form in PLACEHOLDERS.items():
            if mark in command:
                command = command.replace(mark, re.findall(form, self.seen)[-1])
        if "TOKEN=…" in command:
            command = command.replace("TOKEN=…", "TOKEN=" + re.findall(r'"token": ?"([\w-]{40,})"', self.seen)[-1])
        return command

    def type(self, command: str) -> str:
        """Run a command to its end, or leave it running where it serves; gives what it printed."""
        for program in ("curl", "jq"):
            if re.search(rf"\b{program}\b", command):
                need(program)
        words = self.filled(command)
        if words.startswith(("export ", "set -a")):
            self._export(words)
            return ""
        if any(each in command for each in LONG_RUNNING):
            return self._leave_running(words)
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", words], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=60)  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert '"error":' not in done.stdout, f"{command}\n{done.stdout}"
        self.seen += done.stdout
        return done.stdout

    def _export(self, words: str) -> None:
        told = subprocess.run(["bash", "-euc", f"{words}\nenv -0"], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, check=True)  # fmt: skip
        self.environment = dict(pair.split("=", 1) for pair in told.stdout.split("\0") if "=" in pair)

    def _leave_running(self, words: str) -> str:
        output = self.folder / f"output-{len(self.running)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(["bash", "-c", f"exec {words}"], cwd=self.folder, env=self.environment,
                                       stdout=file, stderr=subprocess.STDOUT)  # fmt: skip
        process.output = output
        self.running.append(process)
        return ""

    def stop(self) -> list[int]:
        """End what was left running, as Ctrl-C does, and give the exit codes."""
        for process in self.running:
            process.send_signal(signal.SIGINT)
        return [process.wait(timeout=demos.STOP_SECONDS) for process in self.running]


@contextmanager
def at_a_terminal(*given, **more):
    shell = Shell(*given, **more)
    try:
        yield shell
    finally:
        for process in shell.running:
            if process.poll() is None:
                process.kill()
                process.wait()
