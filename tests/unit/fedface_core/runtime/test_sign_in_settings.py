"""Who may use the API is a setting: on unless it says otherwise, and then for its own machine only."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fedface_core.domain.loopback import is_loopback
from fedface_core.runtime.settings import ControlSettings

OTHERS = {"redis_url": "redis://:own@redis:6379/0", "artifacts": "directory", "artifact_directory": "/artifacts"}
KEY = "0123456789abcdef01234567"
ISSUER: dict[str, object] = {"oidc_issuer": "https://id.example.org/realms/faces", "oidc_audience": "fedface"}


def settings(**given: object) -> ControlSettings:
    return ControlSettings.model_validate(OTHERS | given)


@pytest.fixture(autouse=True)
def _no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FEDFACE_API_OPEN", "FEDFACE_API_HOST", "FEDFACE_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)


def test_people_sign_in_unless_a_setting_says_otherwise() -> None:
    assert settings().api_open is False


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", "LocalHost"])
def test_an_open_api_listens_on_its_own_machine(host: str) -> None:
    assert is_loopback(host)
    assert settings(api_open=True, api_host=host).api_open


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "faces.example.org", "localhost.example.org"])
def test_an_open_api_that_others_reach_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match="FEDFACE_API_OPEN=true lets everybody who reaches"):
        settings(api_open=True, api_host=host)
    assert settings(api_host=host).api_host == host


def test_an_issuer_whose_tokens_are_believed() -> None:
    assert settings(**ISSUER).oidc_roles_claim == "roles"
    assert settings(**ISSUER | {"oidc_issuer": "http://127.0.0.1:8080/realms/faces"}).oidc_issuer


def test_hosts_are_names_with_commas() -> None:
    assert settings(api_hosts="faces.example.org,*.lab.example.org").api_hosts == ("faces.example.org", "*.lab.example.org")
    assert settings(api_hosts="").api_hosts == ()


WRONG: dict[str, tuple[dict[str, object], str]] = {
    "a short key": ({"api_first_key": "0123"}, "fewer than 24 characters"),
    "a published key": ({"api_first_key": f"change-me-{KEY}"}, "FEDFACE_API_FIRST_KEY still has the placeholder"),
    "one key for both": ({"api_first_key": KEY, "api_metrics_key": KEY}, "Prometheus would be an admin"),
    "an issuer alone": ({"oidc_issuer": ISSUER["oidc_issuer"]}, "belong together"),
    "an audience alone": ({"oidc_audience": "fedface"}, "belong together"),
    "a client without an issuer": ({"oidc_client_id": "cli"}, "FEDFACE_OIDC_CLIENT_ID is for an issuer"),
    "an audience to ask nobody for": ({"oidc_ask_for_audience": True}, "FEDFACE_OIDC_ASK_FOR_AUDIENCE is for an issuer"),
    "an issuer without TLS": (ISSUER | {"oidc_issuer": "http://id.example.org"}, "keys of their own"),
    "no URL": (ISSUER | {"oidc_issuer": "id.example.org"}, "is no URL of an issuer"),
    "a password": (ISSUER | {"oidc_issuer": "https://a:secret@id.example.org"}, "has credentials"),
    "a claim of two lines": (ISSUER | {"oidc_roles_claim": "a\nb"}, "pattern"),
    "every host": ({"api_hosts": "*"}, "give names"),
    "a URL as host": ({"api_hosts": "https://faces.example.org"}, "give names"),
    "no requests": ({"api_requests_per_minute": 0}, "greater than or equal to 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_named(case: str) -> None:
    given, complaint = WRONG[case]
    with pytest.raises(ValidationError, match=complaint) as refused:
        settings(**given)
    assert "secret@" not in str(refused.value)
    assert KEY not in str(refused.value)


def test_keys_are_not_shown() -> None:
    assert KEY not in repr(settings(api_first_key=KEY))
