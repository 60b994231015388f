"""The words of a resource, and the queries of words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.errors import BadRequest
from fhir_server.search.expression import HasWords, Not, Predicate
from fhir_server.search.phrases import Every, Phrase, Some
from fhir_server.search.words import BOUNDARY, NO_TEXTS, Texts, has_words, texts_of, words
from tests.search.cases import a
from tests.search.support import query_of


def narrative(div: str) -> str:
    return texts_of(a("Patient", text={"div": div})).narrative


NARRATIVES = [
    ("<div>one<p>two</p>three<br/>four</div>", "one two three four"),
    ("<div>un<b>break</b><span class='x'>able</span> H<sub>2</sub>O</div>", "unbreakable h2o"),
    ("<div>a<body/>b<bdo>c</bdo></div>", "a b c"),
    ("<div title='a &gt; b' class=\"x>y\">z</div>", "z"),
    ("<div>a<!-- <p>b</p> -->c</div>", "ac"),
    ("<div>1 &lt; 2 &amp; caf&eacute;&nbsp;au&#160;lait</div>", "1 2 cafe au lait"),
    ("<div>no end <p", "no end p"),
    ("", ""),
]


@pytest.mark.parametrize(("div", "expected"), NARRATIVES)
def test_the_narrative_is_read_as_it_is_shown(div: str, expected: str) -> None:
    assert narrative(div) == expected


@pytest.mark.parametrize("text", [None, "no narrative", {}, {"div": None}, {"div": 7}, []])
def test_what_is_no_narrative_has_no_words(text: object) -> None:
    assert texts_of(a("Patient", text=text)).narrative == ""


@pytest.mark.parametrize("div", ["<" * 100_000, "<!--" * 50_000, "<a '" * 50_000, "<b" * 50_000])
def test_no_narrative_takes_long_to_read(div: str) -> None:
    assert narrative(div) is not None


def test_strings_are_kept_apart() -> None:
    found = texts_of(a("Patient", name=[{"family": "Van Gogh", "given": ["Vincent", None]}]))

    assert found == Texts("", "van gogh ¶ vincent")
    assert texts_of(a("Patient")) == NO_TEXTS


def test_a_very_long_run_of_letters_is_several_words() -> None:
    assert words("x" * 130) == ["x" * 64, "x" * 64, "xx"]


@given(st.text())
def test_words_are_letters_and_digits_whatever_the_text(text: str) -> None:
    found = words(text)

    assert all(each and BOUNDARY not in each and '"' not in each for each in found)
    assert words(" ".join(found)) == found


@given(st.text(), st.integers(0, 9), st.integers(1, 4))
def test_each_phrase_of_a_text_is_found_in_it(text: str, start: int, length: int) -> None:
    phrase = tuple(words(text)[start : start + length])
    texts = texts_of(a("Patient", name=text))

    if phrase:
        assert has_words(texts, HasWords("content", Phrase(phrase)))
        assert not has_words(texts, HasWords("narrative", Phrase(phrase)))


def asked(query: str) -> Predicate:
    return query_of("Patient", f"_text={query}").plan.predicate


def phrase(*several: str) -> Phrase:
    return Phrase(several)


QUERIES = [
    ("bone", phrase("bone")),
    ("x-ray", phrase("x", "ray")),
    ("bone / liver", Every((phrase("bone"), phrase("liver")))),
    ("a or b or c", Some((phrase("a"), phrase("b"), phrase("c")))),
    ("a b or c", Some((Every((phrase("a"), phrase("b"))), phrase("c")))),
    ("a,b c", Some((phrase("a"), Every((phrase("b"), phrase("c")))))),
    ('"a, b"'.replace(",", "\\,"), phrase("a", "b")),
    ("((a))", phrase("a")),
]


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_words_that_must_or_may_be_there_are_one_question(query: str, expected: Phrase) -> None:
    assert asked(query) == HasWords("narrative", expected)


def test_what_must_not_be_there_stands_beside_the_words() -> None:
    a_word, b_word = (HasWords("narrative", phrase(each)) for each in "ab")

    assert asked("not a") == Not(a_word)
    assert asked("b not a") == query_of("Patient", "_text=b&_text=not a").plan.predicate
    assert asked("not not b") == Not(Not(b_word))


PIECES = ['"', "(", ")", "and ", "OR ", "not ", "x", "-", "*", ",", " "]


@given(st.lists(st.sampled_from(PIECES), min_size=1).map("".join))
def test_a_query_is_read_or_refused(query: str) -> None:
    try:
        asked(query)
    except BadRequest as refusal:
        assert "_text" in str(refusal)  # noqa: PT017 - what is refused is random
