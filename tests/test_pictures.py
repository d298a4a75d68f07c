"""The pictures of the README: the command that takes them works, and those in the repository are whole and small."""

import re
from pathlib import Path

import pytest

from tests import pictures
from tests.conventions.tree import ROOT, documents

pytestmark = pytest.mark.pure

MOST_BYTES = 120_000
LEAST_BYTES = 10_000  # an empty page has fewer


def size(path: Path) -> tuple[int, int]:
    """Return width and height of a WebP in the extended format (RFC 9649, section 2.7)."""
    head = path.read_bytes()[:30]
    assert (head[:4], head[8:16]) == (b"RIFF", b"WEBPVP8X"), path.name
    return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")


def check(folder: Path) -> None:
    """Fail unless each picture is there with its size."""
    for name, picture in pictures.PICTURES.items():
        path = folder / f"{name}.webp"
        assert size(path) == (picture.width, picture.height)
        assert LEAST_BYTES < path.stat().st_size < MOST_BYTES, name


def test_the_pictures_of_the_repository_are_those_of_the_command():
    check(pictures.IMAGES)
    assert {path.stem for path in pictures.IMAGES.glob("*.webp")} == set(pictures.PICTURES)


def test_every_picture_is_small_and_shown():
    shown = {
        ((ROOT / name).parent / target).resolve()
        for name, page in documents().items()
        for target in re.findall(r"\]\(([^)\s]+\.(?:png|webp))\)|src=\"([^\"]+\.(?:png|webp))\"", page)
        for target in target
        if target
    }
    assert shown == set(pictures.IMAGES.iterdir())
    assert [path.name for path in shown if path.stat().st_size > MOST_BYTES] == []


@pytest.mark.clone
@pytest.mark.browser
def test_the_pictures_can_be_taken_again(tmp_path):
    pictures.take_all(tmp_path)
    check(tmp_path)
