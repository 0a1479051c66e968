"""The HTTP layer of a service, on aiohttp: a route table of handlers, and all that surrounds them.

`routing` has the route table, `application` makes the application of it, `endpoints` calls the handlers. A service
imports these names from here.
"""

from switchboard.http.application import http_app
from switchboard.http.endpoints import HttpContext, reply
from switchboard.http.paging import Page, PageQuery, decode_cursor, encode_cursor, page
from switchboard.http.parsing import Body, Moment
from switchboard.http.routing import InternalRoute, PlainRoute, ReadRoute, Request, Route, WriteRoute
from switchboard.runtime.background import LOOPS

__all__ = [
    "LOOPS",
    "Body",
    "HttpContext",
    "InternalRoute",
    "Moment",
    "Page",
    "PageQuery",
    "PlainRoute",
    "ReadRoute",
    "Request",
    "Route",
    "WriteRoute",
    "decode_cursor",
    "encode_cursor",
    "http_app",
    "page",
    "reply",
]
