from pathlib import Path

import pytest

from switchboard.contracts.tables import fill_tables

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", ["messages.md", "architecture.md"])
def test_the_tables_in_the_documents_are_those_of_the_code(name: str) -> None:
    text = (DOCS / name).read_text()

    assert fill_tables(text) == text, "run `make docs`"
