"""A claim is a test: each capability that is told names one that shows it."""

from __future__ import annotations

import re

import pytest

from fhir_server.auth.server.metadata import CAPABILITIES, GRANT_TYPES, METHODS, SCOPES, metadata
from fhir_server.auth.server.scopes import is_scope
from fhir_server.rest.smart import CAPABILITIES as OF_THE_API
from tests.auth.server.material import SITE
from tests.support.data import ROOT

_ENDPOINTS = "tests/auth/server/test_endpoints.py"
_AUTHENTICATION = "tests/auth/server/test_authentication.py"
_JOURNEY = "tests/web/authorization/test_journey.py"
_LAUNCHING = "tests/web/authorization/test_launching.py"

SHOWN_BY = {
    "launch-ehr": (_LAUNCHING, "test_the_app_gets_the_patient_and_the_stay_that_it_was_opened_for"),
    "launch-standalone": (_JOURNEY, "test_an_app_gets_what_was_allowed"),
    "authorize-post": (_JOURNEY, "test_the_request_may_be_posted_from_elsewhere"),
    "client-public": (_ENDPOINTS, "test_an_app_gets_tokens_and_the_context_of_its_launch"),
    "client-confidential-symmetric": (_ENDPOINTS, "test_an_app_with_a_secret_signs_in_too"),
    "client-confidential-asymmetric": (_AUTHENTICATION, "test_a_good_assertion_is_taken"),
    "context-banner": (_ENDPOINTS, "test_what_an_ehr_hands_over_is_in_the_answer"),
    "context-ehr-patient": (_ENDPOINTS, "test_what_an_ehr_hands_over_is_in_the_answer"),
    "context-ehr-encounter": (_ENDPOINTS, "test_what_an_ehr_hands_over_is_in_the_answer"),
    "context-standalone-patient": (_JOURNEY, "test_a_yes_is_for_the_patient_that_was_shown"),
    "context-standalone-encounter": (_JOURNEY, "test_an_encounter_can_be_chosen"),
    "sso-openid-connect": (_ENDPOINTS, "test_an_app_learns_who_signed_in_by_an_id_token"),
    "permission-offline": (_ENDPOINTS, "test_a_refresh_token_gives_the_next_and_comes_back_once"),
    "permission-online": (
        _ENDPOINTS,
        "test_access_lasts_from_the_last_use_offline_and_from_the_sign_in_online",
    ),
}


def test_every_capability_is_shown_by_a_test() -> None:
    assert set(SHOWN_BY) == set(CAPABILITIES)
    assert not set(CAPABILITIES) & set(OF_THE_API)


@pytest.mark.parametrize("capability", SHOWN_BY)
def test_the_test_that_shows_a_capability_is_there(capability: str) -> None:
    path, name = SHOWN_BY[capability]

    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


def test_what_is_told_can_be_asked_for() -> None:
    told = metadata(SITE)

    assert all(is_scope(each) for each in SCOPES)
    assert set(told["token_endpoint_auth_methods_supported"]) == set(METHODS)
    assert set(told["grant_types_supported"]) == set(GRANT_TYPES)
    assert all(
        str(told[name]).startswith(SITE.issuer) for name in told if name.endswith("_endpoint")
    )
