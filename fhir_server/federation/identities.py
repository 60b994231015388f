"""Who the Patients of a member are: people are known across servers by their NHS numbers alone.

An id means nothing elsewhere. What a resource mentions is looked up at the member that holds it, in the caller's name,
by a token that is for this alone: nothing of it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec

from fhir_server.federation.answers import BadAnswer, MemberPage, member_page
from fhir_server.federation.lines import Line
from fhir_server.federation.transport import Failed
from fhir_server.fhir.errors import FhirError
from fhir_server.fhir.json import parse
from fhir_server.fhir.nhs_number import is_nhs_number
from fhir_server.fhir.resource import Resource
from fhir_server.policy.personal import NHS_NUMBER

PATIENT = "Patient"
NEEDED = ("system/Patient.rs",)
"""The scopes by which people are looked up."""

TOGETHER = 50
"""Patients that are looked up by one request."""

_STATUS = "NHSNumberVerificationStatus"
_VERIFIED = frozenset({"01", "number-present-and-verified"})
"""https://simplifier.net/hl7fhirukcorer4/extension-ukcore-nhsnumberverificationstatus"""


@dataclass(frozen=True, slots=True)
class Identity:
    """The NHS numbers of a Patient; `known`: one of them is well-formed, and nobody says that it was not verified.

    `verified` are those of which that holds, and that are in force: by them somebody is found elsewhere.
    """

    numbers: frozenset[str] = frozenset()
    known: bool = False
    verified: frozenset[str] = frozenset()


NOBODY = Identity()


def identity_of(patient: Resource) -> Identity:
    """Return who a Patient is."""
    listed = [each for each in _listed(patient, "identifier") if each.get("system") == NHS_NUMBER]
    numbers = {str(each.get("value", "")).replace(" ", ""): each for each in listed}
    good = [each for each in numbers if is_nhs_number(each) and _is_verified(numbers[each])]
    in_force = frozenset(each for each in good if numbers[each].get("use") != "old")
    return Identity(frozenset(numbers), bool(good), in_force)


class _Identified(msgspec.Struct):
    identifier: list[dict[str, Any]] = []


_identified = msgspec.json.Decoder(_Identified).decode


def verified_number(patient: bytes) -> str | None:
    """Return the least of the verified NHS numbers of a Patient, None where there is none: one, never several."""
    try:
        listed = _identified(patient).identifier
    except msgspec.MsgspecError:
        return None
    return min(identity_of({"identifier": listed}).verified, default=None)


def named_in(element: object) -> Iterator[Identity]:
    """Yield who is named by an NHS number anywhere in a resource: by a Reference, or as a contained Patient."""
    if isinstance(element, dict):
        if element.get("system") == NHS_NUMBER and "value" in element:
            number = str(element["value"]).replace(" ", "")
            yield Identity(frozenset({number}), is_nhs_number(number))
        for each in element.values():
            yield from named_in(each)
    elif isinstance(element, list):
        for each in element:
            yield from named_in(each)


@dataclass(frozen=True, slots=True)
class Directory:
    """Looks Patients of one member up, by a line of their own; `headers` go with each request."""

    line: Line
    headers: Mapping[str, str]

    async def identities(self, ids: Iterable[str], *, until: float) -> Mapping[str, Identity]:
        """Return who these Patients are, as far as the member tells the caller; raise Failed where it does not answer."""
        asked, found = sorted(ids), dict[str, Identity]()
        for first in range(0, len(asked), TOGETHER):
            try:
                found |= await self._some(asked[first : first + TOGETHER], until)
            except Failed as failure:
                if failure.state not in {"unauthorised", "unsupported"}:
                    raise
        return found

    async def _some(self, ids: Sequence[str], until: float) -> dict[str, Identity]:
        form = {"_id": ",".join(ids), "_elements": "identifier", "_count": str(TOGETHER)}
        url = f"{self.line.member.base}/{PATIENT}?{urlencode(form, safe=',')}"
        found: dict[str, Identity] = {}
        # As many pages as there may be Patients: a member that gives one a page is slow, and not endless.
        for _ in ids:
            page = await self._page(url, until)
            found |= dict(_identities(page))
            if page.next is None:
                break
            url = page.next
        return {each: found[each] for each in ids if each in found}

    async def _page(self, url: str, until: float) -> MemberPage:
        content = await self.line.get(url, self.headers, until=until)
        try:
            return member_page(
                content, asked=url, base=self.line.member.base, resource_type=PATIENT
            )
        except BadAnswer as problem:
            raise Failed("error", str(problem)) from problem


def _identities(page: MemberPage) -> Iterator[tuple[str, Identity]]:
    for each in page.matches:
        try:
            yield each.id, identity_of(parse(each.resource))
        except (FhirError, AttributeError, TypeError) as error:
            raise Failed("error", f"{PATIENT}/{each.id} cannot be read") from error


def _is_verified(identifier: Mapping[str, Any]) -> bool:
    told = [each for each in _listed(identifier, "extension") if _STATUS in str(each.get("url"))]
    return all(not _VERIFIED.isdisjoint(_codes(each)) for each in told)


def _codes(extension: Mapping[str, Any]) -> set[str]:
    concept = extension.get("valueCodeableConcept")
    found = _listed(concept, "coding") if isinstance(concept, dict) else []
    return {str(each.get("code")) for each in found}


def _listed(element: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = element.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
