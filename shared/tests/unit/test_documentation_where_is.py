"""The table "Where is…" of `docs/architecture.md`: each file defines its symbol and has the words of its term."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
ROW = re.compile(r"^\| (?P<term>[^|]+) \| `(?P<file>[^`]+)` \| `(?P<symbol>[^`]+)` \|$", re.MULTILINE)


def rows() -> list[tuple[str, str, str]]:
    text = (REPOSITORY / "docs" / "architecture.md").read_text().partition("## Where is…")[2]
    return [(row["term"], row["file"], row["symbol"]) for row in ROW.finditer(text)]


def definitions_in(source: str) -> dict[str, str]:
    """The classes and functions of a module, with their docstrings. Of the module itself under the name ""."""
    tree = ast.parse(source)
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = {node.name: ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)}
    return {"": ast.get_docstring(tree) or "", **found}


def test_every_line_of_the_table_is_a_row() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text().partition("## Where is…")[2]
    lines = [line for line in text.splitlines() if line.startswith("|")]

    assert len(rows()) == len(lines) - len(["header", "rule"])


@pytest.mark.parametrize(("term", "file", "symbol"), rows(), ids=lambda value: str(value).replace("/", "."))
def test_a_place_in_the_table_exists_and_has_the_words_of_its_term(term: str, file: str, symbol: str) -> None:
    source = (REPOSITORY / file).read_text()
    definitions = definitions_in(source) if file.endswith(".py") else dict.fromkeys(re.findall(r"[\w.]+", source), "")

    assert symbol in definitions

    text = " ".join([file, *definitions, *definitions.values()]).replace("_", " ").lower()
    missing = [word for word in re.findall(r"\w+", term.lower()) if word not in text]
    assert not missing
