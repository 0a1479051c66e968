"""Check the vendored libraries of the console and its tests: licences, versions, and the checksum of each file."""

import json
import sys
from hashlib import sha256
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
LICENCES = {
    REPOSITORY / "services/api-gateway/api_gateway/console/static/vendor": frozenset({"MIT", "Apache-2.0"}),
    REPOSITORY / "tests/browser/vendor": frozenset({"MPL-2.0"}),
}
"""The folders, and the licences that may lie there."""


def problems(vendor: Path, licences: frozenset[str]) -> list[str]:
    """What is wrong in a folder of vendored files, by its `manifest.json`."""
    packages = json.loads((vendor / "manifest.json").read_text())
    listed = {name: file["sha256"] for package in packages for name, file in package["files"].items()}
    present = {path.name for path in vendor.iterdir()} - {"manifest.json"}
    wrong = [f"{name} is not in the manifest" for name in sorted(present - set(listed))]
    wrong += [f"{name} is missing" for name in sorted(set(listed) - present)]
    for name in sorted(present & set(listed)):
        if sha256((vendor / name).read_bytes()).hexdigest() != listed[name]:
            wrong.append(f"{name} differs from its checksum")
    for package in packages:
        if package["licence"] not in licences:
            wrong.append(f"{package['package']} has the licence {package['licence']}")
        if not package["version"] or not any(name.startswith("LICENSE") for name in package["files"]):
            wrong.append(f"{package['package']} lacks its version or its licence's text")
    return wrong


if __name__ == "__main__":
    found = [problem for folder, licences in LICENCES.items() for problem in problems(folder, licences)]
    print(*found, sep="\n", end="\n" if found else "")  # noqa: T201
    sys.exit(bool(found))
