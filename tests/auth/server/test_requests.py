"""Authorization requests: what is shown, what goes back to the app, and what may begin."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.auth.server.contract import LaunchContext, PendingAuthorization
from fhir_server.auth.server.errors import RedirectedError, ShownError
from fhir_server.auth.server.site import Site
from fhir_server.auth.server.users import User
from tests.auth.server.material import (
    ADA,
    APP,
    CALLBACK,
    MARY,
    MOMENT,
    SECOND,
    SITE,
    a_server,
    asked,
    sent_back,
)

TWICE = [("state", "another")]

SHOWN: dict[str, list[tuple[str, str]]] = {
    "nothing": [],
    "no client": asked(client_id=None),
    "an unknown client": asked(client_id="nobody"),
    "an empty client": asked(client_id=""),
    "two clients": [*asked(), ("client_id", "web")],
    "no redirect URI": asked(redirect_uri=None),
    "two redirect URIs": [*asked(), ("redirect_uri", CALLBACK)],
    "an address that is not registered": asked(redirect_uri="https://evil.example/callback"),
    "that of another client": asked(redirect_uri="https://web.example/cb?tenant=1"),
    "more behind": asked(redirect_uri=CALLBACK + "/more"),
    "a query more": asked(redirect_uri=CALLBACK + "?x=1"),
    "a slash more": asked(redirect_uri=CALLBACK + "/"),
    "in capitals": asked(redirect_uri=CALLBACK.upper()),
    "without TLS": asked(redirect_uri=CALLBACK.replace("https", "http")),
    "a port": asked(redirect_uri="https://app.example:444/callback"),
    "a path through": asked(redirect_uri="https://app.example/x/../callback"),
    "a fragment": asked(redirect_uri=CALLBACK + "#x"),
    "a backend service": asked(client_id="loader", redirect_uri="https://a.example/"),
}

REDIRECTED: dict[str, tuple[list[tuple[str, str]], str]] = {
    "no response type": (asked(response_type=None), "unsupported_response_type"),
    "the implicit flow": (asked(response_type="token"), "unsupported_response_type"),
    "a hybrid flow": (asked(response_type="code id_token"), "unsupported_response_type"),
    "a response mode": (asked(response_mode="fragment"), "invalid_request"),
    "no state": (asked(state=None), "invalid_request"),
    "two states": (asked() + TWICE, "invalid_request"),
    "two scopes": ([*asked(), ("scope", "openid")], "invalid_request"),
    "a long state": (asked(state="x" * 3000), "invalid_request"),
    "a long nonce": (asked(nonce="x" * 3000), "invalid_request"),
    "no aud": (asked(aud=None), "invalid_request"),
    "another aud": (asked(aud="https://evil.example/fhir"), "invalid_request"),
    "aud with more behind": (asked(aud="https://node.example/fhir/Patient"), "invalid_request"),
    "no challenge": (asked(code_challenge=None), "invalid_request"),
    "a short challenge": (asked(code_challenge="x"), "invalid_request"),
    "a challenge in plain": (asked(code_challenge_method="plain"), "invalid_request"),
    "no challenge method": (asked(code_challenge_method=None), "invalid_request"),
    "no scope": (asked(scope=None), "invalid_scope"),
    "scopes that it is not registered for": (asked(scope="patient/*.cud"), "invalid_scope"),
    "system scopes": (asked(scope="system/*.rs"), "invalid_scope"),
    "scopes that are none": (asked(scope='"\\'), "invalid_scope"),
    "the scope launch alone": (asked(scope="launch patient/*.rs"), "invalid_request"),
    "a launch without the scope": (asked(launch="x"), "invalid_request"),
    "an unknown launch": (asked(scope="launch patient/*.rs", launch="x"), "invalid_request"),
    "a request object": (asked(request="e30.e30."), "request_not_supported"),
    "one elsewhere": (asked(request_uri="https://evil.example/"), "request_uri_not_supported"),
    "a registration": (asked(registration="{}"), "registration_not_supported"),
    "an unknown prompt": (asked(prompt="please"), "invalid_request"),
    "none and another prompt": (asked(prompt="none login"), "invalid_request"),
    "a negative age": (asked(max_age="-1"), "invalid_request"),
    "an age without end": (asked(max_age="9" * 400), "invalid_request"),
}


@pytest.mark.parametrize("name", SHOWN)
async def test_before_it_is_sure_where_to_nobody_is_redirected(name: str) -> None:
    server = await a_server()

    with pytest.raises(ShownError):
        await server.requests.begin(SHOWN[name], now=MOMENT)


@pytest.mark.parametrize("name", REDIRECTED)
async def test_a_request_that_is_wrong_goes_back_to_the_app(name: str) -> None:
    parameters, error = REDIRECTED[name]
    server = await a_server()

    with pytest.raises(RedirectedError) as refusal:
        await server.requests.begin(parameters, now=MOMENT)

    told = sent_back(refusal.value.url)
    states = [value for key, value in parameters if key == "state"]
    assert refusal.value.url.startswith(CALLBACK + "?error=")
    assert (told["error"], told["iss"]) == (error, SITE.issuer)
    assert told.get("state") == (states[0] if len(states) == 1 else None)


@given(
    parameters=st.lists(
        st.tuples(st.sampled_from([name for name, _ in asked()]), st.text(max_size=20)), max_size=9
    )
)
async def test_whatever_is_asked_is_refused_and_not_failed_on(
    parameters: list[tuple[str, str]],
) -> None:
    server = await a_server()

    with pytest.raises((ShownError, RedirectedError)):
        await server.requests.begin(parameters, now=MOMENT)


async def begun(**changes: str | None) -> PendingAuthorization:
    return await (await a_server()).requests.begin(asked(**changes), now=MOMENT)


async def test_a_request_asks_for_what_the_app_is_registered_for() -> None:
    pending = await begun(scope="patient/*.cruds openid admin system/*.rs", prompt="login consent")

    assert pending.scopes == ("patient/*.rs", "openid")
    assert (pending.client_id, pending.client_name) == ("app", "An app")
    assert pending.prompt == ("login", "consent")
    assert pending.needs_patient
    assert not (await begun(scope="user/Patient.rs")).needs_patient


@pytest.mark.parametrize("aud", ["https://node.example/fhir", "https://node.example/fhir/"])
async def test_the_audience_is_the_fhir_base(aud: str) -> None:
    assert (await begun(aud=aud)).client_id == "app"


async def test_a_request_waits_ten_minutes() -> None:
    server = await a_server()
    pending = await server.requests.begin(asked(), now=MOMENT)
    over = MOMENT + 600 * SECOND

    assert await server.requests.pending(pending.handle, now=over - 1) == pending
    assert await server.requests.pending(pending.handle, now=over) is None
    assert await server.requests.pending("another", now=MOMENT) is None
    with pytest.raises(ShownError):
        await server.requests.permit(pending.handle, ADA, pending.scopes, now=over, patient="m")
    with pytest.raises(ShownError):
        await server.requests.refuse(pending.handle, now=over)


async def test_a_request_is_answered_once() -> None:
    server = await a_server()
    pending = await server.requests.begin(asked(), now=MOMENT)

    url = await server.requests.refuse(pending.handle, now=MOMENT)

    assert sent_back(url) == {"error": "access_denied", "state": "a state", "iss": SITE.issuer}
    with pytest.raises(ShownError):
        await server.requests.permit(pending.handle, ADA, ["openid"], now=MOMENT)


NOT_ALLOWED: dict[str, tuple[User, dict[str, str | list[str] | None]]] = {
    "a scope that was not asked for": (ADA, {"scopes": ["patient/*.cruds"]}),
    "no scope": (ADA, {"scopes": []}),
    "no patient": (ADA, {"patient": None}),
    "a patient that is no id": (ADA, {"patient": "ada or true"}),
    "another person's record": (MARY, {"patient": "ada"}),
    "user scopes of a patient": (MARY, {"scopes": ["user/Patient.rs"]}),
    "an encounter that is no id": (ADA, {"encounter": "a/b"}),
    "a purpose that is not the user's": (ADA, {"purpose": "HMARKT"}),
    "a user without a purpose": (msgspec.structs.replace(ADA, purposes=()), {}),
}


@pytest.mark.parametrize("name", NOT_ALLOWED)
async def test_a_user_permits_no_more_than_is_asked_and_is_its_own(name: str) -> None:
    user, choice = NOT_ALLOWED[name]
    server = await a_server()
    pending = await server.requests.begin(
        asked(scope="patient/*.rs user/Patient.rs launch/encounter"), now=MOMENT
    )
    chosen = {"scopes": ["patient/*.rs", "launch/encounter"], "patient": "mary"} | choice

    with pytest.raises(ShownError):
        await server.requests.permit(pending.handle, user, now=MOMENT, **chosen)  # type: ignore[arg-type]

    assert await server.requests.pending(pending.handle, now=MOMENT) == pending


async def test_a_client_that_was_removed_meanwhile_gets_no_code() -> None:
    server = await a_server()
    pending = await server.requests.begin(asked(), now=MOMENT)
    await server.clients.remove("app")

    with pytest.raises(ShownError):
        await server.requests.permit(pending.handle, ADA, ["openid"], now=MOMENT)


async def test_an_app_for_one_purpose_is_not_for_those_with_another() -> None:
    server = await a_server()
    await server.clients.add(msgspec.structs.replace(APP, id="study", purpose="HRESCH"), now=MOMENT)
    for user, good in ((ADA, True), (MARY, False)):
        pending = await server.requests.begin(asked(client_id="study"), now=MOMENT)
        if good:
            assert await server.requests.permit(
                pending.handle, user, ["patient/*.rs"], now=MOMENT, patient="mary"
            )
        else:
            with pytest.raises(ShownError, match="HRESCH"):
                await server.requests.permit(
                    pending.handle, user, ["patient/*.rs"], now=MOMENT, patient="mary"
                )


async def test_an_ehr_opens_an_app_for_its_patient_once_and_for_its_user() -> None:
    server = await a_server()
    context = LaunchContext(patient="mary", encounter="visit", intent="order")
    url = await server.requests.create_launch("app", ADA, context, now=MOMENT)
    told = sent_back(url)
    assert url.startswith("https://app.example/launch?")
    assert told["iss"] == SITE.fhir_base
    parameters = asked(scope="launch patient/*.rs", launch=told["launch"])

    pending = await server.requests.begin(parameters, now=MOMENT)

    assert (pending.launch, pending.launched_by) == (context, "user-ada")
    assert not pending.needs_patient
    with pytest.raises(RedirectedError, match="used before"):
        await server.requests.begin(parameters, now=MOMENT)
    with pytest.raises(ShownError, match="Somebody else"):
        await server.requests.permit(pending.handle, MARY, ["patient/*.rs"], now=MOMENT)
    assert await server.requests.permit(
        pending.handle, ADA, ["patient/*.rs"], now=MOMENT, patient="another"
    )


async def test_a_launch_is_for_one_app_and_for_five_minutes() -> None:
    server = await a_server()
    await server.clients.add(msgspec.structs.replace(APP, id="other"), now=MOMENT)
    for client, moment in (("other", MOMENT), ("app", MOMENT + 300 * SECOND)):
        url = await server.requests.create_launch("app", ADA, LaunchContext("mary"), now=MOMENT)
        launch = sent_back(url)["launch"]
        parameters = asked(client_id=client, scope="launch patient/*.rs", launch=launch)

        with pytest.raises(RedirectedError, match="launch"):
            await server.requests.begin(parameters, now=moment)


@pytest.mark.parametrize(
    ("client", "user", "patient"),
    [("web", ADA, "mary"), ("nobody", ADA, "mary"), ("app", MARY, "ada"), ("app", ADA, "../x")],
)
async def test_what_cannot_be_launched_is_told(client: str, user: User, patient: str) -> None:
    server = await a_server()

    with pytest.raises(ShownError):
        await server.requests.create_launch(client, user, LaunchContext(patient), now=MOMENT)


async def test_the_apps_that_an_ehr_can_open_are_listed() -> None:
    assert await (await a_server()).requests.launchable(now=MOMENT) == [("app", "An app")]


@pytest.mark.parametrize(
    ("own", "asked_for", "same"),
    [
        ("http://127.0.0.1:8000/fhir", "http://localhost:8000/fhir", True),
        ("http://127.0.0.1:8000/fhir", "http://[::1]:8000/fhir/", True),
        ("http://127.0.0.1:8000/fhir", "http://localhost:8001/fhir", False),
        ("http://127.0.0.1:8000/fhir", "https://localhost:8000/fhir", False),
        ("http://127.0.0.1:8000/fhir", "http://localhost:8000/fhir?x=1", False),
        ("http://127.0.0.1:8000/fhir", "http://a@localhost:8000/fhir", False),
        ("http://127.0.0.1:8000/fhir", "http://localhost.evil.example:8000/fhir", False),
        ("https://node.example/fhir", "http://localhost/fhir", False),
        ("https://node.example/fhir", "https://node.example:bad/fhir", False),
    ],
)
def test_this_machine_is_meant_by_any_of_its_names(own: str, asked_for: str, *, same: bool) -> None:
    assert Site("http://x", own, own).is_meant_by(asked_for) is same
