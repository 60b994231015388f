"""What NHS clients send and expect besides FHIR: names of requests, the organisation, codes of errors."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2 as httpx
import pytest

from fhir_server.fhir import errors
from fhir_server.fhir.errors import FhirError, OutdatedIndex
from fhir_server.rest.spine import CODES, SYSTEM, details_of
from tests.rest.access import Guarded, guarded

KINDS = [
    each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, FhirError)
]


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Serve an empty ward."""
    with guarded(tmp_path_factory.mktemp("spine") / "store.db") as served:
        yield served


@pytest.mark.parametrize("said", ["RX1", "rr8", "", "RR8, RR8", "RR8"])
def test_another_organisation_than_the_token_has_is_refused(ward: Guarded, said: str) -> None:
    with ward.client(organisation="RR8") as client:
        client.headers["nhsd-end-user-organisation-ods"] = said
        answer = client.get("Patient")

    assert answer.status_code == (200 if said == "RR8" else 403)


def test_an_organisation_that_the_token_does_not_have_is_no_organisation(ward: Guarded) -> None:
    with ward.client() as client:
        said = client.get("Patient", headers={"nhsd-end-user-organisation-ods": "RR8"})

    assert said.status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "Patient/nobody", 404, "RESOURCE_NOT_FOUND"),
        ("GET", "Patient?nonsense=1", 400, "INVALID_VALUE"),
        ("GET", "Patients/1", 404, "RESOURCE_NOT_FOUND"),
        ("GET", "Patient/$nothing", 404, "UNSUPPORTED_SERVICE"),
        ("DELETE", "metadata", 405, "UNSUPPORTED_SERVICE"),
        ("POST", "Patient", 415, "UNSUPPORTED_SERVICE"),
    ],
)
def test_an_error_has_the_code_of_the_spine_beside_that_of_fhir(
    ward: Guarded, method: str, path: str, status: int, code: str
) -> None:
    with ward.client() as client:
        answer = client.request(method, path, content=b"x" if method == "POST" else None)

    assert answer.status_code == status
    coding = answer.json()["issue"][0]["details"]["coding"][0]
    assert (coding["system"], coding["code"]) == (SYSTEM, code)


def test_all_that_is_wrong_with_a_token_is_one_answer(ward: Guarded) -> None:
    with httpx.Client() as client:
        answers = [
            client.get(f"{ward.base}/{path}", headers={"authorization": "Bearer x"}).json()
            for path in ("Patient/a", "Patient/b")
        ]

    assert answers[0] == answers[1]
    assert answers[0]["issue"][0]["details"]["coding"][0]["code"] == "ACCESS_DENIED"


@pytest.mark.parametrize("kind", KINDS)
def test_each_error_has_a_code(kind: type[FhirError]) -> None:
    assert details_of(kind)["coding"][0]["code"]


def test_a_kind_of_an_error_has_the_code_of_that_error() -> None:
    assert details_of(OutdatedIndex)["coding"][0]["code"] == CODES[errors.Unavailable][0]


@pytest.mark.parametrize("name", ["x-request-id", "x-correlation-id"])
def test_the_name_of_a_request_is_sent_back(ward: Guarded, name: str) -> None:
    with ward.client() as client:
        given = client.get("Patient", headers={name: "11C46F5F-CDEF-4865-94B2-0EE0EDCC26DA"})
        refused = client.get("Patient/x", headers={name: "abc.1"})
        odd = client.get("Patient", headers={name: "a b<script>"})

    assert given.headers[name] == "11C46F5F-CDEF-4865-94B2-0EE0EDCC26DA"
    assert refused.headers[name] == "abc.1"
    assert "script" not in odd.headers.get(name, "")
