"""Columns of the files that people come with."""

import pytest

from conversations.domain.contact_columns import map_columns
from conversations.domain.contacts import UnusableFile

GOOGLE = (
    "First Name,Last Name,E-mail 1 - Value,Labels,Phone 1 - Label,Phone 1 - Value,Phone 2 - Label,Phone 2 - Value",
    "Ann,Example,a@example.com,* myContacts ::: Friends,Work,415 555 0100,Mobile,+1 415 555 0101 ::: 415 555 0102",
)
OLD_GOOGLE = ("Name,Given Name,Phone 1 - Type,Phone 1 - Value", "Ann Example,Ann,Mobile,+1 415 555 0101")
OUTLOOK = ("First Name,Last Name,Business Phone,Mobile Phone", "Ann,Example,+1 415 555 0100,+1 415 555 0101")
GERMAN = ("Vorname,Nachname,Telefon (geschäftlich),Mobiltelefon", "Ann,Example,+1 415 555 0100,+1 415 555 0101")
FRENCH = ("Prénom,Nom,Téléphone (bureau),Tél. mobile", "Ann,Example,+1 415 555 0100,+1 415 555 0101")
SPANISH = ("Nombre,Apellidos,Teléfono del trabajo,Teléfono móvil", "Ann,Example,+1 415 555 0100,+1 415 555 0101")
HUBSPOT = ("Record ID,First Name,Last Name,Phone Number,Lifecycle", "1,Ann,Example,+1 415 555 0101,lead")
SALESFORCE = ("Full Name,Phone Number,Mobile,Account", "Ann Example,+1 415 555 0100,+1 415 555 0101,Acme")


@pytest.mark.parametrize(
    "file", [GOOGLE, OLD_GOOGLE, OUTLOOK, GERMAN, FRENCH, SPANISH, HUBSPOT, SALESFORCE], ids=lambda file: file[0][:20]
)
def test_exports_of_other_programs_are_understood(file: tuple[str, str]) -> None:
    fields = map_columns(file[0].split(",")).fields_of(file[1].split(","))

    assert (fields["name"], fields["phone"]) == ("Ann Example", "+1 415 555 0101")


def test_labels_of_google_become_tags() -> None:
    assert map_columns(GOOGLE[0].split(",")).fields_of(GOOGLE[1].split(","))["tags"] == "myContacts;Friends"


def test_the_first_number_is_taken_where_none_is_a_mobile_phones() -> None:
    mapping = map_columns(["Home Phone", "Business Phone"])

    assert mapping.fields_of(["", "+1 415 555 0100"])["phone"] == "+1 415 555 0100"
    assert mapping.fields_of(["+1 415 555 0109", "+1 415 555 0100"])["phone"] == "+1 415 555 0109"


def test_columns_can_be_given() -> None:
    mapping = map_columns(["Wer", "Nummer", "Notiz"], {"Nummer": "phone", "wer": "name"})

    assert mapping.fields_of(["Ann", "1", "x"]) == {"name": "Ann", "phone": "1"}


@pytest.mark.parametrize(
    ("header", "given", "unknown"),
    [
        (["phone", "nmae"], None, None),
        (["Phone 1 - Value", "Notes"], None, "refuse"),
        (["name"], None, None),
        (["phone", "Phone"], None, None),
        (["a", "b"], {"a": "shoe size"}, None),
        (["a", "b"], {"c": "phone"}, None),
    ],
)
def test_a_header_that_cannot_be_meant_is_refused(
    header: list[str], given: dict[str, str] | None, unknown: str | None
) -> None:
    with pytest.raises(UnusableFile):
        map_columns(header, given, unknown)  # type: ignore[arg-type]


def test_an_unknown_column_of_ours_can_be_left_out() -> None:
    assert map_columns(["phone", "email"], unknown="ignore").fields_of(["1", "x"]) == {"phone": "1"}
