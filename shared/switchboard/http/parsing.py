"""What a request carries, checked before a handler sees it: body, query, path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, ValidationError
from pydantic_core import SchemaValidator

from switchboard.http.problems import ExpectationFailed
from switchboard.runtime.refusals import Error, Invalid, Malformed, NotFound, TooLarge, UnsupportedMediaType

MOST_ERRORS = 20
NO_NUL = "text must not contain NUL"


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""An instant. Taken with any offset (one is required), kept and shown in UTC with a `Z`."""


class Body(BaseModel):
    """Base of request bodies and query models: unknown fields are refused, values never repeated in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


async def read_body(request: web.Request, most: int) -> bytes:
    """The whole body, if it is JSON and no longer than `most` bytes."""
    if request.content_type != "application/json":
        raise UnsupportedMediaType("The body must be application/json.")
    if (request.content_length or 0) > most:
        raise TooLarge
    await send_continue(request)
    return await request.read()


async def send_continue(request: web.Request) -> None:
    """Answer `Expect: 100-continue`, now that nothing speaks against the body."""
    expectation = request.headers.get("Expect")
    if expectation is None:
        return
    if expectation.lower() != "100-continue":
        raise ExpectationFailed
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer itself has not begun


def parse_body(validator: SchemaValidator, raw: bytes) -> Any:
    """The validated model. JSON types are taken strictly: "5" is no number."""
    try:
        model = validator.validate_json(raw, strict=True)
    except ValidationError as error:
        errors = errors_of(error, "body")
        if error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            raise Malformed("The body is not valid JSON.", errors=errors) from None
        raise Invalid(errors=errors) from None
    if b"\\u0000" in raw:
        _refuse_nuls(_nuls_in(orjson.loads(raw), ["body"]))
    return model


def parse_query(validator: SchemaValidator, request: web.Request) -> Any:
    """The validated model of the query string; a name given twice becomes a list."""
    if "%00" in request.query_string or "\0" in request.query_string:
        _refuse_nuls(each for name, value in request.query.items() for each in _nuls_in({name: value}, ["query"]))
    given = request.query
    values: Mapping[str, Any] = given
    if len(set(given)) < len(given):
        values = {name: found if len(found := given.getall(name)) > 1 else found[0] for name in given}
    try:
        return validator.validate_python(dict(values))
    except ValidationError as error:
        raise Invalid(errors=errors_of(error, "query")) from None


def path_uuid(text: str) -> UUID:
    """An id out of the path; one that can't be an id names nothing: `NotFound`."""
    try:
        if len(text) == 36:
            return UUID(text)
    except ValueError:
        pass
    raise NotFound


def errors_of(error: ValidationError, where: str) -> list[Error]:
    """What is wrong, and where, without the values."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [Error(loc=[where, *wrong["loc"]], msg=wrong["msg"].removeprefix("Value error, ")) for wrong in found][
        :MOST_ERRORS
    ]


def _refuse_nuls(places: Iterator[list[str | int]]) -> None:
    errors = [Error(loc=place, msg=NO_NUL) for place in islice(places, MOST_ERRORS)]
    if errors:
        raise Invalid(errors=errors)


def _nuls_in(value: Any, place: list[str | int]) -> Iterator[list[str | int]]:
    """Where the text contains one; of a name, what it stands in."""
    match value:
        case str():
            if "\0" in value:
                yield place
        case list():
            for n, part in enumerate(value):
                yield from _nuls_in(part, [*place, n])
        case dict():
            for name, part in value.items():
                yield from [place] if "\0" in name else _nuls_in(part, [*place, name])
