"""The names that code reaches without naming them: by text, or as a keyword that becomes a column.

    python -m tests.house.mentioned_names > mentioned.py && vulture mentioned.py

vulture sees none of these uses, so they are handed to it: the ends of dotted paths, columns in SQL, keywords of calls
(``filter(sent_at=…)``), what templates read, and the settings. A bare word in a string is no use.
"""

import ast
import keyword
import re

from tests.house.tree import ROOT

# Also the end of one that an f-string begins: f"{here}.find".
DOTTED = re.compile(r"^(?:apps|integrations_portal|django|allauth|rest_framework)?(?:\.\w+)+(?::\w+)?$")
SQL = re.compile(r"\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE|SET|RETURNING)\b")
SETTING = re.compile(r"\b([A-Z][A-Z_0-9]+) =")
TAG = re.compile(r"\{[{%](.*?)[}%]\}", re.DOTALL)
QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
WORD = re.compile(r"[A-Za-z_]\w*")


def names_in_code(source: str) -> set[str]:
    """Return what a module mentions by dotted paths, in SQL and as keywords of calls."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg:
            found.update(node.arg.split("__"))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if DOTTED.match(node.value):
                found.add(re.split("[.:]", node.value)[-1])
            elif SQL.search(node.value):
                found.update(WORD.findall(node.value))
    return found


def names_in_template(source: str) -> set[str]:
    """Return every name that a template reads or calls."""
    return {word for tag in TAG.findall(source) for word in WORD.findall(QUOTED.sub(" ", tag))}


def mentioned() -> set[str]:
    """Return all of them."""
    found = set(SETTING.findall((ROOT / "integrations_portal/settings.py").read_text()))
    for folder in ("apps", "integrations_portal"):
        for path in (ROOT / folder).rglob("*.py"):
            found |= names_in_code(path.read_text())
    for path in (ROOT / "templates").rglob("*.*"):
        found |= names_in_template(path.read_text())
    return {name for name in found if name.isidentifier() and not keyword.iskeyword(name)}


if __name__ == "__main__":
    print("\n".join(f"_.{name}" for name in sorted(mentioned())))
