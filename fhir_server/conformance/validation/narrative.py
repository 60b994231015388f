"""The XHTML of a narrative: https://hl7.org/fhir/R4/narrative.html#xhtml.

Only what formats text: no scripts, forms, objects or frames, and no links that run a script.
Read with Expat, as all XML here is: docs/decisions/0018-xml-with-expat.md.
"""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree as ET

_XHTML: Final = "{http://www.w3.org/1999/xhtml}"
_ELEMENTS: Final = frozenset(
    _XHTML + name
    for name in (  # noqa: SIM905 - words in a line are read as words
        "a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd dfn div dl dt em "
        "h1 h2 h3 h4 h5 h6 hr i img kbd li map ol p pre q samp small span strong sub sup table tbody td tfoot th "
        "thead tr tt ul var"
    ).split()
)
_ATTRIBUTES: Final = frozenset(
    "abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff "  # noqa: SIM905
    "charset cite class clear colspan compact coords dir frame headers height href hreflang hspace id lang longdesc "
    "name nowrap rel rev rowspan rules scope shape span src start style summary tabindex title type usemap valign "
    "value vspace width {http://www.w3.org/XML/1998/namespace}lang "
    "{http://www.w3.org/XML/1998/namespace}space".split()
)
_LINKS: Final = ("href", "src", "longdesc", "cite")
_SCRIPTS: Final = ("javascript:", "vbscript:", "data:text")
_CONTROLS: Final = dict.fromkeys(range(33))


def xhtml_fault(value: str) -> str | None:
    """Return why a string is not the XHTML of a narrative, or None."""
    # A document type could define entities that expand without end.
    if "<!DOCTYPE" in value or "<?" in value:
        return "the narrative has a document type or a processing instruction: leave them out"
    try:
        div = ET.fromstring(value)  # noqa: S314 - a document type was refused above
    except (ET.ParseError, UnicodeEncodeError) as error:
        return f"the narrative is not well-formed XML: {error}"
    if div.tag != _XHTML + "div":
        return 'the narrative is not one <div xmlns="http://www.w3.org/1999/xhtml">'
    return _content_fault(div)


def _content_fault(div: ET.Element) -> str | None:
    for element in div.iter():
        if element.tag not in _ELEMENTS:
            return f"the narrative has an element that is not allowed in it: {_local(element.tag)}"
        for name, value in element.items():
            if name not in _ATTRIBUTES:
                return f"the narrative has an attribute that is not allowed in it: {_local(name)}"
            if name in _LINKS and _is_script(value):
                return f"the narrative has a script in an attribute: {name}"
    return None if _has_content(div) else "the narrative is empty: give it text, or leave it out"


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _is_script(link: str) -> bool:
    # Browsers skip control characters and blanks before and within the scheme.
    return link.translate(_CONTROLS).lower().startswith(_SCRIPTS)


def _has_content(div: ET.Element) -> bool:
    written = any(text and not text.isspace() for text in div.itertext())
    return written or div.find(f".//{_XHTML}img") is not None
