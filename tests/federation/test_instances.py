"""What a member answers of one resource is its own bytes, and nothing else under that address."""

from __future__ import annotations

import pytest

from fhir_server.federation.answers import BadAnswer
from fhir_server.federation.instances import history_of, is_statement, told_of
from fhir_server.fhir.resource import Key

KEY = Key("Patient", "p1")
BASE = "https://a.example/fhir"
ASKED = f"{BASE}/Patient/p1/_history"
OWN = b'{"resourceType":"Patient", "id":"p1", "multipleBirthInteger": 1.10}'


def page(entry: bytes = b'{"resource":%b}' % OWN, link: bytes = b"[]") -> bytes:
    return b'{"type":"history","total":1,"link":%b,"entry":[%b],"resourceType":"Bundle"}' % (
        link,
        entry,
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"resourceType":"Patient"}',
        OWN.replace(b"p1", b"p2"),
        OWN.replace(b"Patient", b"Slot"),
        b"[" * 5000,
    ],
)
def test_another_resource_is_no_answer(content: bytes) -> None:
    with pytest.raises(BadAnswer):
        told_of(content, KEY)
    assert not is_statement(content)


@pytest.mark.parametrize(
    "content",
    [
        OWN,
        page().replace(b"history", b"searchset"),
        page(b'{"resource":%b}' % OWN.replace(b"p1", b"p2")),
        page(b'{"request":{"method":"DELETE","url":"Patient/p11"}}'),
        page(b"{}"),
        page(link=b'[{"relation":"next","url":"https://evil.example/fhir/x"}]'),
        page(link=b'[{"relation":"next","url":"%b"}]' % ASKED.encode()),
    ],
)
def test_what_is_no_history_of_the_resource_is_no_answer(content: bytes) -> None:
    with pytest.raises(BadAnswer):
        history_of(content, KEY, asked=ASKED, base=BASE)


def test_the_links_are_ours_and_all_else_is_as_it_came() -> None:
    link = b'[{"relation":"next","url":"?page=2"},{"relation":"self","url":"x"}]'
    deletion = b'{"request":{"method":"DELETE","url":"Patient/p1/_history/3"}}'
    found = history_of(
        page(deletion + b',{"resource":%b}' % OWN, link), KEY, asked=ASKED, base=BASE
    )

    assert found.next == f"{ASKED}?page=2"
    assert found.linked({"self": "https://hub/x"}) == (
        b'{"resourceType":"Bundle",'
        b'"link":[{"relation":"self","url":"https://hub/x"}],"type":"history","total":1,'
        b'"entry":[%b,{"resource":%b}]}' % (deletion, OWN)
    )
