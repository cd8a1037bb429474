from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from fedface_console.settings import ConsoleSettings
from fedface_core.runtime.environment_settings import settings_or_exit


def test_the_defaults_serve_this_machine_only() -> None:
    settings = ConsoleSettings()
    assert (settings.api_url, settings.console_host, settings.console_port) == ("http://127.0.0.1:8000", "127.0.0.1", 8080)
    assert not settings.has_secure_cookies


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFACE_API_URL", "https://control:8000/")
    monkeypatch.setenv("FEDFACE_CONSOLE_HOSTS", "Faces.example.org, other.example")
    monkeypatch.setenv("FEDFACE_CONSOLE_SECURE_COOKIES", "true")
    settings = ConsoleSettings()
    assert settings.api_url == "https://control:8000"
    assert settings.hosts == ("faces.example.org", "other.example")
    assert settings.has_secure_cookies


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FEDFACE_API_URL", "control:8000"),
        ("FEDFACE_API_URL", "http://user:pass@control"),
        ("FEDFACE_API_URL", "http://control?x=1"),
        ("FEDFACE_CONSOLE_PORT", "99999"),
        ("FEDFACE_CONSOLE_SECRET", "short"),
        ("FEDFACE_CONSOLE_HOSTS", ",".join(["x"] * 65)),
        ("FEDFACE_GRAFANA_URL", "javascript:alert(1)"),
        ("FEDFACE_CONSOLE_TLS_KEY_FILE", "/no/key"),
        ("FEDFACE_CONSOLE_URL", "http://faces.example.org"),
        ("FEDFACE_CONSOLE_URL", "https://faces.example.org/console"),
        ("FEDFACE_CONSOLE_OIDC_SCOPES", "profile"),
        ("FEDFACE_CONSOLE_OIDC_CLIENT_ID", "fedface-console"),
        ("FEDFACE_CONSOLE_OIDC_CLIENT_SECRET", "a secret of no client"),
        ("FEDFACE_OIDC_CA_FILE", "/no/file"),
    ],
)
def test_a_wrong_setting_ends_the_process_and_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        settings_or_exit(ConsoleSettings)
    assert ended.value.code == 78
    assert name in capsys.readouterr().err


def test_the_consoles_own_address_is_served_and_its_cookies_are_as_safe() -> None:
    settings = ConsoleSettings.model_validate({"console_url": "https://Faces.example.org", "console_hosts": "other.example"})
    assert settings.hosts == ("other.example", "faces.example.org")
    assert settings.has_secure_cookies
    assert not ConsoleSettings.model_validate({"console_url": "http://localhost:8080"}).has_secure_cookies


def test_a_client_of_the_issuer_and_what_it_asks_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush-hush\n")
    monkeypatch.setenv("FEDFACE_CONSOLE_URL", "http://localhost:8080/")
    monkeypatch.setenv("FEDFACE_CONSOLE_OIDC_CLIENT_ID", "fedface-console")
    monkeypatch.setenv("FEDFACE_CONSOLE_OIDC_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("FEDFACE_CONSOLE_OIDC_SCOPES", "openid offline_access")
    settings = ConsoleSettings()
    assert (settings.console_url, settings.console_oidc_scopes) == ("http://localhost:8080", "openid offline_access")
    assert settings.console_oidc_client_secret is not None
    assert settings.console_oidc_client_secret.get_secret_value() == "hush-hush"


def test_what_compose_leaves_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FEDFACE_CONSOLE_URL", "FEDFACE_CONSOLE_OIDC_CLIENT_ID"):
        monkeypatch.setenv(name, "")
    settings = ConsoleSettings()
    assert (settings.console_url, settings.console_oidc_client_id) == (None, None)


def test_a_secret_is_not_quoted() -> None:
    with pytest.raises(ValidationError) as refused:
        ConsoleSettings.model_validate({"console_secret": "hush-hush"})
    assert "hush-hush" not in str(refused.value)


def test_without_a_secret_each_process_draws_its_own() -> None:
    assert ConsoleSettings().secret != ConsoleSettings().secret
    given = "of several replicas: a long one"
    assert ConsoleSettings.model_validate({"console_secret": given}).secret == given
