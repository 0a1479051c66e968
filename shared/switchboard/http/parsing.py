"""Parsing and validation of a request's body, query string and path, before a handler runs."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

from switchboard.http.problems import ExpectationFailed
from switchboard.runtime.refusals import Error, Invalid, Malformed, NotFound, TooLarge, UnsupportedMediaType

MAX_ERRORS = 20
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d", re.ASCII)  # its beginning
_DATETIME = TypeAdapter(datetime)
NO_NUL = "text must not contain NUL"


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


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


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc), BeforeValidator(_only_rfc3339)]
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
    if b"\\u0000" in raw:
        _refuse_nuls(_find_nuls(orjson.loads(raw), ["body"]))
    return model


def parse_query(validator: SchemaValidator, request: web.Request) -> Any:
    """Parse and validate the query string. A name that occurs twice becomes a list."""
    if "%00" in request.query_string or "\0" in request.query_string:
        _refuse_nuls(each for name, value in request.query.items() for each in _find_nuls({name: value}, ["query"]))
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


def _refuse_nuls(locations: Iterator[list[str | int]]) -> None:
    errors = [Error(loc=location, msg=NO_NUL) for location in islice(locations, MAX_ERRORS)]
    if errors:
        raise Invalid(errors=errors)


def _find_nuls(value: Any, location: list[str | int]) -> Iterator[list[str | int]]:
    """The locations of text with NUL characters; for a field's name, the location of its object."""
    match value:
        case str():
            if "\0" in value:
                yield location
        case list():
            for n, part in enumerate(value):
                yield from _find_nuls(part, [*location, n])
        case dict():
            for name, part in value.items():
                yield from [location] if "\0" in name else _find_nuls(part, [*location, name])
