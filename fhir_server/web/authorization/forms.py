"""What a browser sends with a form, and whether the form is one of ours.

https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from fhir_server.fhir.errors import BadRequest, TooLarge, UnsupportedMediaType
from fhir_server.rest.request import Pairs, parse_pairs

LARGEST = 64 * 1024

_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, in order."""

    pairs: Pairs

    def __getitem__(self, name: str) -> str:
        """Return the first value of a field, or nothing where it was not sent."""
        return next((value for key, value in self.pairs if key == name), "")

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field."""
        return tuple(value for key, value in self.pairs if key == name)


async def read_form(request: Request) -> Form:
    """Return the form; raise UnsupportedMediaType, TooLarge, or BadRequest for what is no form."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _FORM:
        raise UnsupportedMediaType(f"A form is sent as {_FORM}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise TooLarge(f"The form is larger than {LARGEST} bytes.")
    try:
        return Form(parse_pairs(body.decode()))
    except UnicodeDecodeError as error:
        raise BadRequest("The form is not UTF-8.") from error


def comes_from_elsewhere(request: Request) -> bool:
    """Tell whether the browser says that a page of another origin sent this.

    Under `Referrer-Policy: no-referrer` the Origin of our own forms is `null`; browsers that tell the site tell it
    more exactly, and no page can change what they tell.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site != "same-origin"
    origin = request.headers.get("origin", "null")
    return origin not in {"null", f"{request.url.scheme}://{request.headers.get('host', '')}"}
