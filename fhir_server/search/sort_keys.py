"""The keys of `_sort`: https://hl7.org/fhir/R4/search.html#sort. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.search.expression import SortKey
from fhir_server.search.filtering import Known, nearest
from fhir_server.search.ordering import PRIMARY, UNSORTABLE
from fhir_server.search.primary import primary_parameter

IN_METADATA = "; `metadata` lists those there are"

_RELEVANCE = "_score"


def sort_key(common: Known, kinds: Sequence[Known], text: str) -> SortKey:
    """Return a key that all types of a search have; raise BadRequest.

    `common` is what may be asked of each of them, whichever they are.
    """
    if text.removeprefix("-") in common.parameters:
        return _key_of(common, text)
    keys = {_key_of(each, text) for each in kinds}
    if len(keys) > 1:
        raise NotSupported(
            f"_sort={text}: values of this are not in one order over {', '.join(each.resource_type for each in kinds)}:"
            " search each type by itself, or sort by _lastUpdated"
        )
    return keys.pop()


def _key_of(known: Known, text: str) -> SortKey:
    code = text.removeprefix("-")
    if code == _RELEVANCE:
        raise NotSupported(
            f"_sort={text}: matches are not ranked by relevance; sort by a parameter"
        )
    parameter = known.get(code)
    if parameter is None:
        hint = nearest(code, known.parameters)
        raise BadRequest(f"_sort={text}: there is no search parameter {code!r}{hint}{IN_METADATA}")
    if parameter.type in UNSORTABLE:
        raise NotSupported(f"_sort={text}: a {parameter.type} like {code} has no one order")
    codes = tuple(each.code for each in known.sources(parameter))
    primary = codes == (primary_parameter(known.parameters),)
    kind = PRIMARY if primary else parameter.type
    others = () if codes == (code,) else codes
    return SortKey(code, kind, descending=text.startswith("-"), sources=others)
