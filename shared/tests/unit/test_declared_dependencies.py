"""Every third-party import belongs to a declared dependency, and production's requirements contain all of them."""

import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[3]
SHARED = REPOSITORY / "shared"
SERVICES = sorted(path.parent for path in REPOSITORY.glob("services/*/pyproject.toml"))
OURS = {"switchboard", *(service.name.replace("-", "_") for service in SERVICES)}
EXTRAS = {
    "contracts": [],
    "client": ["client"],
    "local": ["client", "platform", "local"],
    "testing": ["client", "platform", "local", "testing"],
}
"""The extras that a package of the library needs; `platform` for those that are not named."""


@pytest.mark.parametrize("package", sorted(p.name for p in (SHARED / "switchboard").iterdir() if p.is_dir()))
def test_the_imports_of_a_package_are_declared_by_its_extras(package: str) -> None:
    sources = (SHARED / "switchboard" / package).rglob("*.py")

    missing = undeclared(sources, shared_requirements(*EXTRAS.get(package, ["platform"])))

    assert not missing


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: str(service.name))
def test_the_imports_of_a_service_are_declared(service: Path) -> None:
    own = project(service)["dependencies"]
    sources = [path for path in service.rglob("*.py") if "tests" not in path.relative_to(service).parts]

    missing = undeclared(sources, [*shared_requirements("platform"), *map(Requirement, own)])

    assert "switchboard[platform]" in own
    assert not missing


def test_the_requirements_of_production_contain_all_dependencies() -> None:
    declared = [*shared_requirements("client", "platform")]
    for service in SERVICES:
        declared += [Requirement(text) for text in project(service)["dependencies"]]

    missing = {canonicalize_name(each.name) for each in declared} - production_requirements() - {"switchboard"}

    assert not missing


def test_the_jobs_of_the_image_import_production_requirements_alone() -> None:
    imported = imports_from("switchboard.local.containers")

    missing = {module for module in imported if not provided_by(module) & production_requirements()}

    assert "switchboard.local.prepare" in modules_from("switchboard.local.containers")
    assert not missing


def project(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return found


def shared_requirements(*extras: str) -> list[Requirement]:
    """The requirements of the library's base and of these extras."""
    shared = project(SHARED)
    texts = [*shared["dependencies"], *(text for extra in extras for text in shared["optional-dependencies"][extra])]
    return [Requirement(text) for text in texts]


def undeclared(sources: Iterable[Path], declared: list[Requirement]) -> set[str]:
    """The third-party modules that neither a declared dependency nor one of its own dependencies provides."""
    available = with_dependencies(declared)
    modules = {module.partition(".")[0] for path in sources for module in imports_of(path)}
    third_party = {module for module in modules if module not in sys.stdlib_module_names and module not in OURS}
    return {module for module in third_party if not provided_by(module) & available}


def imports_of(path: Path, *, nested: bool = True) -> Iterator[str]:
    """The absolute imports of a file. `nested`: those within functions too."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if nested else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_from(start: str) -> set[str]:
    """The modules of the library that a module imports, directly or through others."""
    found, pending = set[str](), [start]
    while pending:
        if (module := pending.pop()) not in found and (path := source_of(module)) is not None:
            found.add(module)
            pending += [name for name in imports_of(path) if name.startswith("switchboard")]
    return found


def imports_from(start: str) -> set[str]:
    """The third-party modules that are imported with a module of the library, directly or through others."""
    sources = [path for module in modules_from(start) if (path := source_of(module)) is not None]
    tops = {name.partition(".")[0] for path in sources for name in imports_of(path, nested=False)}
    return {top for top in tops if top not in sys.stdlib_module_names and top not in OURS}


def source_of(module: str) -> Path | None:
    path = SHARED.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def production_requirements() -> set[str]:
    lines = (REPOSITORY / "requirements" / "base.txt").read_text().splitlines()
    return {str(canonicalize_name(Requirement(line).name)) for line in lines if "==" in line}


def with_dependencies(declared: list[Requirement]) -> set[str]:
    """The distributions that pip would install for these requirements."""
    found, pending = set[tuple[str, str]](), [(each.name, extra) for each in declared for extra in ("", *each.extras)]
    while pending:
        name, extra = pending.pop()
        key = (str(canonicalize_name(name)), extra)
        if key not in found:
            found.add(key)
            for each in required_by(key[0]):
                if each.marker is None or each.marker.evaluate({"extra": extra}):
                    pending += [(each.name, one) for one in ("", *each.extras)]
    return {name for name, _ in found}


@cache
def required_by(name: str) -> list[Requirement]:
    try:
        return [Requirement(text) for text in distribution(name).requires or ()]
    except PackageNotFoundError:
        return []  # for another platform


@cache
def distributions_by_module() -> dict[str, list[str]]:
    return dict(packages_distributions())


def provided_by(module: str) -> set[str]:
    """The distributions that provide a top-level module."""
    return {str(canonicalize_name(name)) for name in distributions_by_module().get(module, ())}
