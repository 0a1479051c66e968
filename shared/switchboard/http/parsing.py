"""Parsing and validation of a request's body, query string and path, before a handler runs."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from math import isfinite
from typing import Annotated, Any
from uuid import UUID

from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import SchemaValidator, from_json

from switchboard.http.problems import ExpectationFailed
from switchboard.runtime.refusals import Error, Invalid, Malformed, NotFound, TooLarge, UnsupportedMediaType

MAX_ERRORS = 20
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d", re.ASCII)  # its beginning
_DATETIME = TypeAdapter(datetime)
SUSPICIOUS = re.compile(rb"\\u0000|NaN|Infinity|\d{19}|\d[eE]\+?\d{3}")
"""What JSON may hold and the databases can't: then the values are looked at one by one."""


def in_utc(at: datetime) -> datetime:
    """The instant in UTC. Raises `ValueError` for a time without an offset, and at the ends of the calendar.

    There, arithmetic with times overflows, in Python and in the databases.
    """
    try:
        moved = at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None
    if at.tzinfo is None or not 1 < moved.year < 9999:
        raise ValueError("is out of range")
    return moved


def _only_rfc3339(value: object) -> object:
    """pydantic would also take a number, or the text of one, as Unix time, and a day as its midnight."""
    if isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and RFC3339.match(value):
            return _DATETIME.validate_python(value)
    except ValidationError:
        pass
    raise ValueError("must be an RFC 3339 time, such as 2026-05-04T13:00:00Z")


Moment = Annotated[AwareDatetime, AfterValidator(in_utc), BeforeValidator(_only_rfc3339)]
"""An instant, as RFC 3339 writes it. Requires a UTC offset, and is converted to UTC: answers show it with a `Z`."""


class Body(BaseModel):
    """Base class of request bodies and query models. Refuses unknown fields; errors never repeat values."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


async def read_body(request: web.Request, max_body: int) -> bytes:
    """Read the whole body. Raises a refusal unless it is JSON of at most `max_body` bytes."""
    if request.content_type != "application/json":
        raise UnsupportedMediaType("The body must be application/json.")
    if (request.content_length or 0) > max_body:
        raise TooLarge
    await send_continue(request)
    return await request.read()


async def send_continue(request: web.Request) -> None:
    """Answer `Expect: 100-continue` once the request is known to be acceptable."""
    expectation = request.headers.get("Expect")
    if expectation is None:
        return
    if expectation.lower() != "100-continue":
        raise ExpectationFailed
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # aiohttp would take the response as begun


def parse_body(validator: SchemaValidator, raw: bytes) -> Any:
    """Parse and validate a JSON body. Types are strict: "5" is not a number."""
    try:
        model = validator.validate_json(raw, strict=True)
    except ValidationError as error:
        errors = errors_of(error, "body")
        if error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            raise Malformed("The body is not valid JSON.", errors=errors) from None
        raise Invalid(errors=errors) from None
    if SUSPICIOUS.search(raw):
        _refuse(_find_unstorable(from_json(raw), ["body"]))
    return model


def parse_query(validator: SchemaValidator, request: web.Request) -> Any:
    """Parse and validate the query string. A name that occurs twice becomes a list."""
    if "%00" in request.query_string or "\0" in request.query_string:
        _refuse(each for name, value in request.query.items() for each in _find_unstorable({name: value}, ["query"]))
    given = request.query
    values: Mapping[str, Any] = given
    if len(set(given)) < len(given):
        values = {name: found if len(found := given.getall(name)) > 1 else found[0] for name in given}
    try:
        return validator.validate_python(dict(values))
    except ValidationError as error:
        raise Invalid(errors=errors_of(error, "query")) from None


def path_uuid(text: str) -> UUID:
    """The UUID in a path. Raises `NotFound` for any other text: no resource has such an id."""
    try:
        if len(text) == 36:
            return UUID(text)
    except ValueError:
        pass
    raise NotFound


def errors_of(error: ValidationError, where: str) -> list[Error]:
    """The validation errors as locations and messages, without the values."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [Error(loc=[where, *wrong["loc"]], msg=wrong["msg"].removeprefix("Value error, ")) for wrong in found][
        :MAX_ERRORS
    ]


def fault_of(value: object) -> str | None:
    """Why a text or a number can't be kept; None: it can. The databases and the clients' languages hold no more."""
    match value:
        case str() if "\0" in value:
            return "text must not contain NUL"
        case str() if not value.isascii() and value.encode("utf-8", "ignore").decode() != value:
            return "text must be valid Unicode"
        case bool():
            return None
        case int() if not -(2**63) <= value < 2**63:
            return "a number must fit 64 bits"
        case float() if not isfinite(value):
            return "a number must be finite"
    return None


def header_text(request: web.Request, name: str, most: int = 500) -> str | None:
    """A header as text that can be kept: at most `most` characters, those that are no Unicode replaced."""
    value = request.headers.get(name)
    if value is None:
        return None
    return value.replace("\0", "").encode("utf-8", "replace").decode()[:most]


def _refuse(faults: Iterator[Error]) -> None:
    errors = list(islice(faults, MAX_ERRORS))
    if errors:
        raise Invalid(errors=errors)


def _find_unstorable(value: Any, location: list[str | int]) -> Iterator[Error]:
    """The values that can't be kept, by location; for a field's name, that of its object."""
    if (fault := fault_of(value)) is not None:
        yield Error(loc=location, msg=fault)
    match value:
        case list():
            for n, part in enumerate(value):
                yield from _find_unstorable(part, [*location, n])
        case dict():
            for name, part in value.items():
                if (fault := fault_of(name)) is not None:
                    yield Error(loc=location, msg=fault)
                else:
                    yield from _find_unstorable(part, [*location, name])
