"""Fails when the product defines two classes with the same name: `python infra/checks/duplicate_classes.py`.

One class name has one meaning in the whole product, so that a search for it finds one definition.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ALLOWED = {
    "Settings",  # each service has its own, passed to `main`
}


def main() -> int:
    """Print the names that are defined more than once, with their files. 1 if there are any."""
    duplicates = {name: files for name, files in definitions().items() if len(files) > 1 and name not in ALLOWED}
    for name, files in sorted(duplicates.items()):
        sys.stderr.write(f"class {name} is defined more than once: {', '.join(files)}\n")
    return 1 if duplicates else 0


def definitions() -> dict[str, list[str]]:
    """The files that define a class, by its name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in product_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(REPOSITORY)))
    return found


def product_files() -> Iterator[Path]:
    """The Python files of the library and the services, without tests and migrations."""
    yield from sorted((REPOSITORY / "shared" / "switchboard").rglob("*.py"))
    for service in sorted((REPOSITORY / "services").iterdir()):
        yield from sorted((service / service.name.replace("-", "_")).rglob("*.py"))


if __name__ == "__main__":
    sys.exit(main())
