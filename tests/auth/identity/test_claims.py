"""What claims of identity providers mean here."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.auth.identity.claims import Holder, Meaning, NotForUs, SelectedRole, user_of
from fhir_server.auth.server.users import User

CLINICIAN = Holder("clinician", ("TREAT",))

CIS2 = Meaning(
    roles={"R8000": CLINICIAN},
    role="{role.role_code}",
    fhir_user="Practitioner/{uid}",
    organisation="{role.org_code}",
    selected_role=SelectedRole("nhsid_nrbac_roles", "person_roleid", "selected_roleid"),
)
"""As NHS CIS2 tells of people."""

WARD = {"person_roleid": "1", "org_code": "RXX", "role_code": "S8000:G8000:R8000"}
DESK = {"person_roleid": "2", "org_code": "RYY", "role_code": "S8000:G8001:R8009"}
ADA = {"sub": "910000000001", "uid": "910000000001", "name": "Jones Ada (Dr)"}


def said(*roles: dict[str, str], **more: Any) -> dict[str, Any]:
    """Return claims with these roles."""
    return {**ADA, "nhsid_nrbac_roles": list(roles), **more}


@pytest.mark.parametrize(
    "claims",
    [
        said(),
        said(WARD, DESK),
        said(WARD, DESK, selected_roleid="3"),
        said(WARD, selected_roleid="2"),
        said(DESK),
        said(WARD, DESK, selected_roleid="2"),
        {**ADA},
        {**ADA, "nhsid_nrbac_roles": "R8000"},
        {**ADA, "nhsid_nrbac_roles": ["R8000"]},
        {**ADA, "nhsid_nrbac_roles": [{"role_code": ["R8000"]}]},
        {**ADA, "role": {"role_code": "R8000"}},
        said({"role_code": "R8000" * 100}),
        said({"role_code": "R8000:"}),
        said({"role_code": ""}),
    ],
)
def test_who_has_no_role_that_counts_here_has_no_access(claims: dict[str, Any]) -> None:
    with pytest.raises(NotForUs):
        user_of(claims, CIS2, provider="cis2")


@pytest.mark.parametrize("claims", [said(WARD), said(WARD, DESK, selected_roleid="1")])
def test_the_role_that_was_selected_counts(claims: dict[str, Any]) -> None:
    assert user_of(claims, CIS2, provider="cis2") == User(
        subject="cis2:910000000001",
        name="Jones Ada (Dr)",
        fhir_user="Practitioner/910000000001",
        role="clinician",
        organisation="RXX",
        purposes=("TREAT",),
    )


def test_a_patient_is_bound_to_the_record_that_the_provider_names() -> None:
    meaning = Meaning(
        roles={"patient": Holder("patient", ("PATRQT",), patients=("{record}", "{child.0.id}"))},
        role="patient",
        fhir_user="Patient/{record}",
    )
    claims = {"sub": "1", "record": "mary", "child": [{"id": "../paul"}]}

    user = user_of(claims, meaning, provider="login")

    assert (user.patients, user.fhir_user, user.name) == (("mary",), "Patient/mary", "1")


@pytest.mark.parametrize("record", ["../mary", "mary/1", "", "x" * 65, None, ["mary"], True])
def test_what_is_no_id_binds_to_nobody(record: Any) -> None:
    meaning = Meaning(
        roles={"patient": Holder("patient", (), patients=("{record}",))},
        role="patient",
        fhir_user="Patient/{record}",
    )

    user = user_of({"sub": "1", "record": record}, meaning, provider="login")

    assert user.patients == ()
    assert user.fhir_user is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_nothing_that_is_claimed_gives_a_role_by_its_form_alone(roles: Any) -> None:
    with pytest.raises(NotForUs):
        user_of({**ADA, "nhsid_nrbac_roles": roles}, CIS2, provider="cis2")
