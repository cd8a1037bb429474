"""Settings come from the environment; what is missing or wrong is named, and the process stops with EX_CONFIG."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fedface_core.runtime.settings import ComputeSettings, ControlSettings, Settings, WorkerSettings, load_settings

S3 = {
    "FEDFACE_REDIS_URL": "redis://:own@redis:6379/0",
    "FEDFACE_ARTIFACTS": "s3",
    "FEDFACE_S3_ENDPOINT": "minio:9000",
    "FEDFACE_S3_ACCESS_KEY": "fedface",
    "FEDFACE_S3_SECRET_KEY": "own",
}
DIRECTORY = {
    "FEDFACE_REDIS_URL": "redis://:own@redis:6379/0",
    "FEDFACE_ARTIFACTS": "directory",
    "FEDFACE_ARTIFACT_DIRECTORY": "/artifacts",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FEDFACE_")]:
        monkeypatch.delenv(name)


def stops_with(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
    kind: type[Settings] = WorkerSettings,
) -> list[str]:
    """The lines that the process prints before it exits."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        load_settings(kind)
    assert stopped.value.code == 78
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("environment", [S3, DIRECTORY], ids=["s3", "directory"])
def test_complete_settings_are_read(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(ControlSettings)
    assert settings.environment == "production"
    assert settings.redis_url.get_secret_value() == "redis://:own@redis:6379/0"
    assert settings.artifacts == environment["FEDFACE_ARTIFACTS"]
    assert "own" not in repr(settings), "a secret is not shown"


@pytest.mark.parametrize("missing", [name for name in S3 if name.startswith("FEDFACE_S3")])
def test_s3_needs_its_own_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    environment = {name: value for name, value in S3.items() if name != missing}
    assert stops_with(monkeypatch, capsys, environment) == [f"settings: with FEDFACE_ARTIFACTS=s3, also set {missing}"]


def test_a_directory_needs_its_path(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {name: value for name, value in DIRECTORY.items() if name != "FEDFACE_ARTIFACT_DIRECTORY"}
    assert stops_with(monkeypatch, capsys, environment) == [
        "settings: with FEDFACE_ARTIFACTS=directory, also set FEDFACE_ARTIFACT_DIRECTORY"
    ]


WRONG = {
    "FEDFACE_ARTIFACTS": "tape",
    "FEDFACE_ENVIRONMENT": "staging",
    "FEDFACE_LOG_LEVEL": "CHATTY",
    "FEDFACE_LOG_FORMAT": "xml",
    "FEDFACE_CONCURRENCY": "0",
    "FEDFACE_THREADS": "-1",
    "FEDFACE_TASK_TIME_LIMIT_SECONDS": "soon",
    "FEDFACE_PATIENCE_SECONDS": "0",
    "FEDFACE_GRACE_SECONDS": "for ever",
    "FEDFACE_METRICS_PORT": "70000",
    "FEDFACE_SWEEP_SECONDS": "0",
    "FEDFACE_REPEAT_AFTER_SECONDS": "-1",
    "FEDFACE_API_PORT": "-1",
    "FEDFACE_S3_SECURE": "perhaps",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (line,) = stops_with(monkeypatch, capsys, S3 | {name: WRONG[name]}, ControlSettings)
    assert line.startswith(f"settings: {name} Input should be ")


@pytest.mark.parametrize("url", ["sentinel://:own@redis:26379", "redis://:own@redis:6379/0?ssl_cert_reqs=none", "own"])
def test_a_url_that_ledger_and_broker_would_not_read_alike_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    (line,) = stops_with(monkeypatch, capsys, S3 | {"FEDFACE_REDIS_URL": url})
    assert line.startswith("settings: FEDFACE_REDIS_URL ")
    assert "redis" in line
    assert "own" not in line


# What the operator is told of a setting, after its name.
MALFORMED = [
    ("FEDFACE_REDIS_URL", "redis://:tell#nobody@redis:6379/0", ""),
    ("FEDFACE_REDIS_URL", "redis://:tell[nobody@redis:6379/0", ""),
    (
        "FEDFACE_S3_ENDPOINT",
        "http://minio:9000",
        "begins with a scheme: give host:port, such as minio:9000; FEDFACE_S3_SECURE",
    ),
    ("FEDFACE_S3_BUCKET", "Fed_Face", "is 'Fed_Face': the name of a bucket has 3 to 63 lower-case letters"),
    ("FEDFACE_S3_REGION", "eu west", "is 'eu west': give a region such as us-east-1"),
    ("FEDFACE_S3_ACCESS_KEY", "fed face", "is empty, or has white space"),
    ("FEDFACE_S3_SECRET_KEY", "nobody\r", "is empty, has white space at an end"),
    ("FEDFACE_ARTIFACT_DIRECTORY", "", "is empty: give the path of a directory"),
    ("FEDFACE_METRICS_DIRECTORY", "", "is empty: give the path of a directory"),
    ("FEDFACE_METRICS_HOST", "http://host", "is 'http://host': give a host name"),
    ("FEDFACE_API_HOST", "", "is '': give a host name"),
]


@pytest.mark.parametrize(("name", "value", "complaint"), MALFORMED)
def test_a_malformed_setting_is_named_and_no_secret_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, complaint: str
) -> None:
    (line,) = stops_with(monkeypatch, capsys, S3 | {name: value}, ControlSettings)
    assert line.startswith(f"settings: {name} {complaint}")
    assert "nobody" not in line
    assert name != "FEDFACE_REDIS_URL" or "%2F" in line


NUMBERS = {
    "FEDFACE_CONCURRENCY": ["1e9", "100000", "nan"],
    "FEDFACE_THREADS": ["100000"],
    "FEDFACE_TASK_TIME_LIMIT_SECONDS": ["99999999", "inf"],
    "FEDFACE_PATIENCE_SECONDS": ["nan", "inf", "-1", "1e300"],
    "FEDFACE_GRACE_SECONDS": ["nan", "inf", "0", "1e9"],
    "FEDFACE_SWEEP_SECONDS": ["nan", "inf", "1e-300", "1e9"],
    "FEDFACE_REPEAT_AFTER_SECONDS": ["nan", "inf", "1e9"],
    "FEDFACE_METRICS_PORT": ["65536", "-1", "http"],
    "FEDFACE_API_PORT": ["65536", "8000.5"],
    "FEDFACE_PLAN_PARAMETERS": ["0", "1e9", "1000000000000000001"],
    "FEDFACE_PLAN_MULTIPLICATIONS": ["-1", "inf"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in NUMBERS.items() for value in values])
def test_a_number_is_within_its_bounds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    (line,) = stops_with(monkeypatch, capsys, S3 | {name: value}, ControlSettings)
    assert line.startswith(f"settings: {name} Input should be ")


@pytest.mark.parametrize("patience", ["600", "601"])
def test_patience_must_end_before_the_task_is_killed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], patience: str
) -> None:
    (line,) = stops_with(monkeypatch, capsys, S3 | {"FEDFACE_PATIENCE_SECONDS": patience})
    assert line.startswith(
        f"settings: FEDFACE_PATIENCE_SECONDS ({patience}) must be below FEDFACE_TASK_TIME_LIMIT_SECONDS (600)"
    )


PLACEHOLDERS = [
    {"FEDFACE_REDIS_URL": "redis://:change-me@redis:6379/0"},
    {"FEDFACE_S3_SECRET_KEY": "change-me"},
    {"FEDFACE_REDIS_URL": "redis://:change-me-redis@redis:6379/0", "FEDFACE_S3_SECRET_KEY": "change-me-minio"},
]


@pytest.mark.parametrize("secrets", PLACEHOLDERS)
def test_published_secrets_are_refused_in_production(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], secrets: dict[str, str]
) -> None:
    (line,) = stops_with(monkeypatch, capsys, S3 | secrets)
    assert line.startswith(f"settings: {', '.join(secrets)} still has the placeholder 'change-me' of .env.example")
    assert "FEDFACE_ENVIRONMENT=development" in line


@pytest.mark.parametrize("secrets", PLACEHOLDERS)
def test_published_secrets_are_accepted_in_development(monkeypatch: pytest.MonkeyPatch, secrets: dict[str, str]) -> None:
    for name, value in (S3 | secrets | {"FEDFACE_ENVIRONMENT": "development"}).items():
        monkeypatch.setenv(name, value)
    assert load_settings(Settings).environment == "development"


ROOTS = {"": (), "/photographs": ("/photographs",), "/a:/b c": ("/a", "/b c"), ' ["/a:b", "/c"]': ("/a:b", "/c"), "[]": ()}


@pytest.mark.parametrize("value", [None, *ROOTS])
def test_the_roots_of_photographs_are_paths_or_a_json_list_and_none_by_default(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    for name, setting in (S3 | ({} if value is None else {"FEDFACE_PHOTOGRAPH_ROOTS": value})).items():
        monkeypatch.setenv(name, setting)
    assert load_settings(ComputeSettings).photograph_roots == tuple(map(Path, ROOTS[value or ""]))


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("photographs", "has a path that is empty or relative: each must begin with '/'"),
        ("/a::/b", "has a path that is empty or relative"),
        ('["/a"', "is no list: give paths with ':' between them, or a JSON list of paths"),
        ("[1]", "Input is not a valid path"),
        (":".join(["/a"] * 65), "Value should have at most 64 items"),
    ],
)
def test_roots_that_are_none_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str, complaint: str
) -> None:
    (line,) = stops_with(monkeypatch, capsys, S3 | {"FEDFACE_PHOTOGRAPH_ROOTS": value}, ComputeSettings)
    assert line.startswith("settings: FEDFACE_PHOTOGRAPH_ROOTS")
    assert complaint in line
