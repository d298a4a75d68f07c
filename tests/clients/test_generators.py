"""Seven generators make a client of the document: without a warning, and the code compiles.

What cannot be compiled is said: in the output (``-rP`` or ``-s``), and in docs/integrate.md.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients import generators
from tests.clients.conftest import Generated
from tests.conventions.tree import ROOT

pytestmark = [pytest.mark.clients, pytest.mark.pure]

MOST_MODULES = 900
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
names = [each.name for each in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
# Debian's libgeronimo-annotation-1.3-spec-java. Jackson is in the generator's own archive.
ANNOTATIONS = Path("/usr/share/java/geronimo-annotation-1.3-spec.jar")
STRICT = (
    *("--strict", "--noEmit", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"),
    *("--lib", "es2022,dom"),
)


def python_compiles(folder: Path, package: str) -> int:
    """Compile and import each module of a package, with warnings as errors; return how many modules it has."""
    strict = [sys.executable, "-W", "error"]
    generators.run([*strict, "-m", "compileall", "-q", package], folder)
    return int(generators.run([*strict, "-c", IMPORT_ALL, package], folder))


def test_openapi_python_client(portal_client: Generated) -> None:
    assert portal_client.printed == ["Generating portal_client"]
    modules = python_compiles(portal_client.folder, "portal_client")
    print(f"openapi-python-client: {modules} modules")
    assert 100 < modules < MOST_MODULES


def test_openapi_generator_python(openapi_client: Generated, tmp_path: Path) -> None:
    assert openapi_client.printed[0].endswith("https://github.com/openAPITools/openapi-generator.")
    own = {line for line in openapi_client.printed if generators.BETA not in line}
    # What it prints about any document at all is no word about ours.
    about_any = generators.notices_of_control("openapi-generator-cli generate -g python", tmp_path / "control")
    print(f"openapi-generator python, about any document: {about_any or 'nothing'}")
    assert own <= about_any
    assert python_compiles(openapi_client.folder, "openapi_client") > 100


def test_openapi_typescript(folder: Path) -> None:
    printed = generators.generate("npx openapi-typescript", folder)
    assert [line[0] for line in printed] == ["✨", "🚀"], printed
    (folder / "program.ts").write_text((ROOT / "tests/clients/program.ts").read_text())
    generators.run([generators.tool("tsc"), *STRICT, "portal.d.ts", "program.ts"], folder)


def test_the_committed_copy_and_the_served_document_are_the_same_to_a_generator(document: bytes, url: str) -> None:
    """So that what is generated here holds for who reads the copy. Only the address differs."""
    copy = (ROOT / "docs/openapi.json").read_text().replace("https://portal.example.com", "http://127.0.0.1:8000")
    assert json.loads(copy)["paths"] == json.loads(document)["paths"]
    assert json.loads(copy)["components"]["schemas"] == json.loads(document)["components"]["schemas"]


@pytest.mark.long
def test_typescript_fetch(folder: Path) -> None:
    assert generators.notices("openapi-generator-cli generate -g typescript-fetch", folder) == []
    generators.run([generators.tool("tsc"), *STRICT, "typescript/index.ts"], folder)


@pytest.mark.long
def test_go(folder: Path) -> None:
    assert generators.notices("openapi-generator-cli generate -g go", folder) == []
    go = generators.tool("go")
    # Nothing may be fetched: the code needs the standard library alone.
    alone = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOCACHE": str(folder / "cache")}
    for words in ("build", "vet"):
        assert generators.run([go, words, "."], folder / "go", **alone) == ""


@pytest.mark.long
def test_java(folder: Path) -> None:
    assert generators.notices("openapi-generator-cli generate -g java", folder) == []
    if not ANNOTATIONS.exists():
        (pytest.fail if generators.REQUIRED else pytest.skip)("libgeronimo-annotation-1.3-spec-java is not installed")
    archive = generators.run(
        [sys.executable, "-c", "import openapi_generator_cli as found; print(found.__path__[0])"], folder
    ).strip()
    sources = [str(path) for path in sorted((folder / "java/src/main").rglob("*.java"))]
    (folder / "sources").write_text("\n".join(sources))
    classpath = f"{archive}/openapi-generator.jar:{ANNOTATIONS}"
    # Of its own deprecations in Jackson javac says two lines, which are no fault of the document.
    words = ["-proc:none", "-nowarn", "-Xlint:-deprecation", "-cp", classpath, "-d", str(folder / "classes")]
    generators.run([generators.tool("javac"), *words, "@sources"], folder)
    assert len(list((folder / "classes").rglob("*.class"))) >= len(sources) > 100


@pytest.mark.long
def test_csharp(folder: Path) -> None:
    assert generators.notices("openapi-generator-cli generate -g csharp", folder) == []
    assert len(list((folder / "csharp/src").rglob("*.cs"))) > 100
    if (dotnet := shutil.which("dotnet")) is None:
        print("NOT COMPILED: the C# client. There is no .NET SDK here: Debian has none, and its mono knows C# 7 alone.")
    else:
        subprocess.run([dotnet, "build"], cwd=folder / "csharp", check=True, timeout=600)
