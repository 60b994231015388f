"""The XHTML of narratives."""

from __future__ import annotations

import pytest

from fhir_server.fhir.resource import Resource
from tests.conformance.validation.judging import a_patient, verdict

XMLNS = 'xmlns="http://www.w3.org/1999/xhtml"'


def _narrated(div: str) -> Resource:
    return a_patient(text={"status": "generated", "div": div})


@pytest.mark.parametrize(
    "div",
    [
        "",
        "text",
        f"<div {XMLNS}>",
        f"<div {XMLNS}>a</div><div {XMLNS}>b</div>",
        "<div>no namespace</div>",
        f"<p {XMLNS}>no div</p>",
        f"<div {XMLNS}></div>",
        f"<div {XMLNS}> \n <p> </p></div>",
        f"<div {XMLNS}><!-- a comment is no content --></div>",
        f"<div {XMLNS}>&nbsp;</div>",
        f"<div {XMLNS}>a\x00</div>",
        f"<div {XMLNS}>a\ud800</div>",
        f"<!DOCTYPE div [<!ENTITY a 'b'>]><div {XMLNS}>&a;</div>",
        f"<?xml version='1.0' encoding='latin1'?><div {XMLNS}>a</div>",
        f"<div {XMLNS}>a<?php x ?></div>",
        f"<div {XMLNS}>a<script>alert(1)</script></div>",
        f"<div {XMLNS}>a<SCRIPT>alert(1)</SCRIPT></div>",
        f"<div {XMLNS}>a<iframe/></div>",
        f"<div {XMLNS}>a<form/></div>",
        f"<div {XMLNS}>a<ins>b</ins></div>",
        f'<div {XMLNS}>a<svg xmlns="http://www.w3.org/2000/svg"/></div>',
        f'<div {XMLNS}>a<b xmlns="">b</b></div>',
        f'<div {XMLNS} onclick="x()">a</div>',
        f'<div {XMLNS}>a<img src="a.png" onerror="x()"/></div>',
        f'<div {XMLNS}><a href="javascript:x()">a</a></div>',
        f'<div {XMLNS}><a href=" JavaScript:x()">a</a></div>',
        f'<div {XMLNS}><a href="java&#10;script:x()">a</a></div>',
        f'<div {XMLNS}><a href="data:text/html,x">a</a></div>',
    ],
)
def test_xhtml_that_is_not_allowed_is_refused(div: str) -> None:
    assert verdict(_narrated(div)) == ["invariant at Patient.text.div"]


def test_a_narrative_that_is_no_string_is_refused() -> None:
    assert verdict(a_patient(text={"status": "empty", "div": 1})) == [
        "structure at Patient.text.div"
    ]


def test_a_narrative_has_no_extensions_of_its_xhtml() -> None:
    text = {"status": "generated", "div": f"<div {XMLNS}>a</div>", "_div": {"id": "a"}}

    assert verdict(a_patient(text=text)) == ["structure at Patient.text"]


@pytest.mark.parametrize(
    "div",
    [
        f"<div {XMLNS}>a</div>",
        f"\n <div {XMLNS}>a &lt; b &#160;</div>",
        f"<div {XMLNS}><!-- why -->a</div>",
        f'<div {XMLNS}><img src="#photo" alt="x"/></div>',
        f'<div {XMLNS} xml:lang="en" xml:space="preserve" lang="en" class="x" style="color: red">a</div>',
        f"<div {XMLNS}><table><tbody><tr><td colspan='2'>a</td></tr></tbody></table></div>",
        f'<div {XMLNS}><a href="http://example.org/javascript:">a</a></div>',
        '<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:b>a</h:b></h:div>',
    ],
)
def test_formatted_text_is_accepted(div: str) -> None:
    assert verdict(_narrated(div)) == []
