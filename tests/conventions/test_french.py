"""French: every text that people read has its translation, written as French is written.

The texts come from the sources (what `makemessages` would find), their translations from the compiled catalogue, so
only the comparison with the .po needs Babel. When a text is missing: run `makemessages -l fr --no-location -i .venv
-i tests -i var`, translate locale/fr/LC_MESSAGES/django.po, then compile it with `pybabel compile -f -i … -o …`.
"""

import ast
import gettext
import io
import os
import re
from collections import Counter
from functools import cache
from typing import NamedTuple

import pytest
from django.utils import translation
from django.utils.translation.template import templatize

from tests.conventions.tree import ROOT, calls_in, python_modules, read, relative

pytestmark = pytest.mark.pure

PO = ROOT / "locale/fr/LC_MESSAGES/django.po"
MO = PO.with_suffix(".mo")

# What a call's arguments are: c = context, s = singular, p = plural.
SHAPES = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), "s"),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), "sp"),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), "cs"),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), "csp"),
}
# In what Django makes of a template, all but the calls is blanked out.
STRING = r"""u?('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
CALL = re.compile(rf"\b(_|n?p?gettext)\(((?:{STRING}|count|[,\s])+)\)")

PLACEHOLDER = re.compile(r"%\(\w+\)[a-zA-Z]|%[sdr]|\{\w*\}|</?\w[^>]*>|&#?\w+;")
# Not prose: addresses, scopes and times, JSON, and how a header is written.
CODE = re.compile(r"""\w+://\S*|\b\w+:\w+\b|\["\*"\]|\bX-Team: blue\b|\bNom: valeur\b""")
NO_BREAK, NARROW = "\u00a0", "\u202f"
MISTAKES = {
    "a straight apostrophe: write ’": re.compile("'"),
    "straight or English quotation marks: write « »": re.compile('["“”]'),
    "no narrow no-break space (U+202F) before ; ! ?": re.compile(rf"(?<!{NARROW})[;!?]"),
    "no no-break space (U+00A0) before a colon": re.compile(rf"(?<!{NO_BREAK}):"),
    "no no-break space (U+00A0) inside « »": re.compile(rf"«(?!{NO_BREAK})|(?<!{NO_BREAK})»"),
    "a space doubled, or at an end": re.compile(rf"^\s|\s\Z|[ {NO_BREAK}{NARROW}]{{2}}"),
    "three dots: write …": re.compile(r"\.\.\."),
    "a word that the glossary replaces": re.compile(r"(?i)\bavec succès\b|évènement|\bendpoints?\b"),
}


class Text(NamedTuple):
    """A text of the sources, as a catalogue knows it."""

    context: str | None
    singular: str
    plural: str | None = None


class Missing(gettext.NullTranslations):
    """Answers for what the catalogue does not have: nothing."""

    def gettext(self, message):
        return ""

    def ngettext(self, msgid1, msgid2, n):
        return ""

    def pgettext(self, context, message):
        return ""

    def npgettext(self, context, msgid1, msgid2, n):
        return ""


def text_of(name, arguments):
    """Return the text that a call marks, or None where it names none."""
    found = dict(zip(SHAPES.get(name, ""), arguments, strict=False))
    if len(found) < len(SHAPES.get(name, "s")) or None in found.values():
        return None
    return Text(found.get("c"), found["s"], found.get("p"))


def texts_of_module(path):
    for name, call in calls_in(path):
        literals = (argument.value if isinstance(argument, ast.Constant) else None for argument in call.args)
        yield text_of(name, [value if isinstance(value, str) else None for value in literals])


def texts_of_template(path):
    for name, arguments, *_rest in CALL.findall(templatize(read(path))):
        yield text_of(name, [ast.literal_eval(string) for string in re.findall(STRING, arguments)])


@cache
def marked():
    """Return every text of the sources with the first file that has it."""
    found = {}
    pages = sorted(path for kind in ("html", "txt") for path in (ROOT / "templates").rglob(f"*.{kind}"))
    for files, texts_of in ((python_modules(), texts_of_module), (pages, texts_of_template)):
        for path in files:
            for text in texts_of(path):
                if text and text.singular:
                    found.setdefault(text, relative(path))
    return found


@cache
def translated():
    """Return what the compiled catalogue says for each text: one form, or one each for 1 and 2."""
    with MO.open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    catalogue.add_fallback(Missing())
    return {text: forms(catalogue, text) for text in marked()}


def forms(catalogue, text):
    context, singular, plural = text
    if plural is None:
        return [catalogue.gettext(singular) if context is None else catalogue.pgettext(context, singular)]
    if context is None:
        return [catalogue.ngettext(singular, plural, number) for number in (1, 2)]
    return [catalogue.npgettext(context, singular, plural, number) for number in (1, 2)]


def placeholders(text):
    return Counter(PLACEHOLDER.findall(text or ""))


def babel(module):
    """Import a module of Babel, which the development lock has and the one for `manage.py test` has not."""
    if os.environ.get("CI") == "true":
        return __import__(module, fromlist=["*"])
    return pytest.importorskip(module, reason="Babel is not installed: `pip install -r requirements/dev.txt`")


def catalogue_of_po():
    with PO.open("rb") as file:
        return babel("babel.messages.pofile").read_po(file)


def test_the_sources_are_read():
    assert len(marked()) > 500
    assert {text.plural is None for text in marked()} == {text.context is None for text in marked()} == {True, False}
    assert {where.partition("/")[0] for where in marked().values()} == {"apps", "integrations_portal", "templates"}


def test_every_text_has_its_french():
    untold = {text: where for text, where in marked().items() if not all(translated()[text])}
    assert not untold, "\n".join(f"{where}: {text.singular}" for text, where in untold.items())


def test_placeholders_are_kept():
    wrong = []
    for text, french in translated().items():
        one, many = placeholders(text.singular), placeholders(text.plural or text.singular)
        if all(french) and (placeholders(french[0]) not in (one, many) or placeholders(french[-1]) != many):
            wrong.append(f"{text.singular} → {french}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_french_is_written_as_french_is(mistake):
    prose = {form: CODE.sub("x", PLACEHOLDER.sub("x", form)) for french in translated().values() for form in french}
    wrong = [form for form, bare in prose.items() if MISTAKES[mistake].search(bare)]
    assert not wrong, "\n".join(wrong)


def test_django_speaks_it():
    with translation.override("fr"):
        assert translation.gettext("API keys") == "Clés API"
        assert translation.ngettext("%(n)d day ago", "%(n)d days ago", 0) % {"n": 0} == f"il y a 0{NO_BREAK}jour"


def test_the_po_has_these_texts_and_no_others():
    entries = [entry for entry in catalogue_of_po() if entry.id]
    known = {Text(entry.context, *((entry.id,) if isinstance(entry.id, str) else entry.id)) for entry in entries}
    assert (sorted(map(str, known - set(marked()))), sorted(map(str, set(marked()) - known))) == ([], [])


def test_nothing_in_the_po_is_empty_or_a_guess():
    entries = [entry for entry in catalogue_of_po() if entry.id]
    strings = {str(entry.id): [entry.string] if isinstance(entry.string, str) else entry.string for entry in entries}
    assert [entry.id for entry in entries if entry.fuzzy] == []
    assert [name for name, french in strings.items() if not all(french)] == []


def test_the_compiled_catalogue_is_that_of_the_po():
    compiled = io.BytesIO()
    babel("babel.messages.mofile").write_mo(compiled, catalogue_of_po())
    compiled.seek(0)
    fresh = gettext.GNUTranslations(compiled)
    fresh.add_fallback(Missing())
    stale = [text.singular for text, french in translated().items() if forms(fresh, text) != french]
    assert not stale, "compile the .po again: " + "\n".join(stale)
