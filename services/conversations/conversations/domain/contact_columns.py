"""Which column of a CSV file is which field of a contact: named by the caller, ours, or those of other programs.

Google Contacts (both layouts), Outlook (English, German, French, Spanish), HubSpot and Salesforce are known by the
names that their exports give to columns.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from conversations.domain.contacts import COLUMNS, UnusableFile

Field = Literal["phone", "name", "tags", "owner_id", "opted_out", "first_name", "last_name"]
Unknown = Literal["refuse", "ignore"]

SEVERAL = ":::"
"""Between several values in one field of Google Contacts."""

# By the name of the column in lower case. Phones: whether it is a mobile phone's.
_PHONES = {
    "phone": False, "phone number": False, "telephone": False, "telephone number": False, "primary phone": False,
    "business phone": False, "business phone 2": False, "home phone": False, "home phone 2": False,
    "company main phone": False, "other phone": False, "work phone": False,
    "mobile": True, "mobile phone": True, "mobile phone number": True, "mobile number": True, "cell": True,
    "cell phone": True,
    "telefon": False, "telefonnummer": False, "telefon geschäftlich": False, "telefon (geschäftlich)": False,
    "telefon privat": False, "telefon (privat)": False, "rufnummer": False,
    "mobiltelefon": True, "handy": True, "mobil": True,
    "téléphone": False, "téléphone (bureau)": False, "téléphone bureau": False, "téléphone (domicile)": False,
    "téléphone domicile": False,
    "téléphone mobile": True, "tél. mobile": True, "portable": True,
    "teléfono": False, "teléfono del trabajo": False, "teléfono particular": False, "número de teléfono": False,
    "teléfono móvil": True, "móvil": True,
}  # fmt: skip
_NAMES: dict[str, Field] = {
    "name": "name", "full name": "name", "display name": "name", "contact name": "name", "file as": "name",
    "first name": "first_name", "given name": "first_name", "vorname": "first_name", "prénom": "first_name",
    "nombre": "first_name",
    "last name": "last_name", "family name": "last_name", "surname": "last_name", "nachname": "last_name",
    "nom": "last_name", "apellidos": "last_name", "apellido": "last_name",
    "tags": "tags", "labels": "tags", "group membership": "tags", "categories": "tags", "kategorien": "tags",
    "catégories": "tags", "categorías": "tags",
    "owner_id": "owner_id", "opted_out": "opted_out",
}  # fmt: skip
_NUMBERED = re.compile(r"phone (\d+) - value")
_MOBILE = re.compile(r"mobil|cell|portable|móvil|handy", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """A column of the file. `field` is None if it is left out; `label_of`: it labels the column at that index."""

    name: str
    field: Field | None
    mobile: bool = False
    label_of: int | None = None


@dataclass(frozen=True)
class ColumnMapping:
    """All columns of a file, in their order."""

    columns: tuple[Column, ...]

    def fields_of(self, values: Sequence[str]) -> dict[str, str]:
        """The fields of a line: of several numbers a mobile one, else the first; of several names in one the first."""
        labels = {column.label_of: values[n] for n, column in enumerate(self.columns) if column.label_of is not None}
        found: dict[str, str] = {}
        phones: list[tuple[bool, str]] = []
        for n, column in enumerate(self.columns):
            value = values[n].strip()
            if column.field is None or not value:
                continue
            if column.field == "phone":
                mobile = column.mobile or _MOBILE.search(labels.get(n, "")) is not None
                phones.append((not mobile, value.partition(SEVERAL)[0].strip()))
            elif column.field == "tags" and SEVERAL in value:
                found["tags"] = ";".join(tag.strip().lstrip("* ") for tag in value.split(SEVERAL))
            else:
                found.setdefault(column.field, value)
        first, last = found.pop("first_name", ""), found.pop("last_name", "")
        if name := found.get("name") or f"{first} {last}".strip():
            found["name"] = name
        if phones:
            found["phone"] = min(phones, key=lambda phone: phone[0])[1]
        return found


def map_columns(
    header: Sequence[str], given: Mapping[str, str] | None = None, unknown: Unknown | None = None
) -> ColumnMapping:
    """Find which column is which field. Raises `UnusableFile`.

    `given`: fields by the names of columns, besides what is found. `unknown`: what becomes of a column that is no
    field; by default it is refused in a file with our own names, where it may be a slip, and left out of another's.
    """
    names = [name.strip().lstrip("\ufeff") for name in header]
    chosen = {name.strip().lower(): field for name, field in (given or {}).items()}
    for name, field in chosen.items():
        if field not in COLUMNS:
            raise UnusableFile(f"there is no field {field[:40]!r}: there are {', '.join(COLUMNS)}")
        if name not in {each.lower() for each in names}:
            raise UnusableFile(f"there is no column {name[:40]!r}")
    lower = [name.lower() for name in names]
    columns = tuple(_column(name, lower, n, chosen) for n, name in enumerate(names))
    ours = [column.name for column in columns if column.name.lower() in COLUMNS]
    if len(set(map(str.lower, ours))) < len(ours):
        raise UnusableFile("the first line names a column twice")
    is_ours = not chosen and all(column.field is None or column.name.lower() in COLUMNS for column in columns)
    left_out = [column.name for column in columns if column.field is None and column.label_of is None and column.name]
    if left_out and (unknown or ("refuse" if is_ours else "ignore")) == "refuse":
        raise UnusableFile(
            f"unknown column {left_out[0][:40]!r}: there are {', '.join(COLUMNS)}, separated by , or ; or tab"
        )
    if not any(column.field == "phone" for column in columns):
        raise UnusableFile(
            f"the first line must name columns out of {', '.join(COLUMNS)}, each once, separated by , or ; or tab; "
            "phone is needed"
        )
    return ColumnMapping(columns)


def _column(name: str, lower: Sequence[str], at: int, chosen: Mapping[str, str]) -> Column:
    key = lower[at]
    if key in chosen:
        field: Field = chosen[key]  # type: ignore[assignment]
        return Column(name, field, _PHONES.get(key, False))
    if key in _PHONES:
        return Column(name, "phone", _PHONES[key])
    if _NUMBERED.fullmatch(key):
        return Column(name, "phone")
    if (label := re.fullmatch(r"phone (\d+) - (?:label|type)", key)) and f"phone {label[1]} - value" in lower:
        return Column(name, None, label_of=lower.index(f"phone {label[1]} - value"))
    return Column(name, _NAMES.get(key))
