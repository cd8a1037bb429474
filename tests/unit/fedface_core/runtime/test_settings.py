"""Settings come from the environment; what is missing or wrong is named, and the process stops with EX_CONFIG."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trustme

from fedface_core.runtime.settings import ComputeSettings, ControlSettings, Settings, WorkerSettings, load_settings
from support.signing import keys_in_environment

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
    for name in [name for name in os.environ if name.startswith("FEDFACE_") and name not in keys_in_environment()]:
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


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of an authority and of a server, by what they are."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    pems = {"authority": authority.cert_pem, "certificate": leaf.cert_chain_pems[0], "key": leaf.private_key_pem}
    for name, pem in pems.items():
        pem.write_to_path(folder / name)
    return {name: str(folder / name) for name in pems}


OF_TLS = {"FEDFACE_REDIS_URL": "rediss://:own@redis:6379/0", "FEDFACE_S3_SECURE": "true"}
BOTH_OF_A_PAIR = "FEDFACE_{0}_TLS_CERTIFICATE_FILE and FEDFACE_{0}_TLS_KEY_FILE belong together: set both, or none"


def test_the_files_of_tls_are_read(monkeypatch: pytest.MonkeyPatch, tls: dict[str, str]) -> None:
    files = {"FEDFACE_REDIS_CA_FILE": tls["authority"], "FEDFACE_S3_CA_FILE": tls["authority"]}
    for server in ("API", "METRICS"):
        files[f"FEDFACE_{server}_TLS_CERTIFICATE_FILE"] = tls["certificate"]
        files[f"FEDFACE_{server}_TLS_KEY_FILE"] = tls["key"]
    for name, value in (S3 | OF_TLS | files).items():
        monkeypatch.setenv(name, value)
    settings = load_settings(ControlSettings)
    assert settings.redis_address == f"rediss://:own@redis:6379/0?ssl_ca_certs={tls['authority'].replace('/', '%2F')}"
    assert settings.s3_ca_file == settings.redis_ca_file == Path(tls["authority"])
    assert settings.api_tls_key_file == settings.metrics_tls_key_file == Path(tls["key"])


def test_without_authorities_the_address_is_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (S3 | OF_TLS).items():
        monkeypatch.setenv(name, value)
    assert load_settings(Settings).redis_address == OF_TLS["FEDFACE_REDIS_URL"]


WRONG_TLS = [
    (
        {"FEDFACE_REDIS_URL": S3["FEDFACE_REDIS_URL"], "FEDFACE_REDIS_CA_FILE": "authority"},
        "FEDFACE_REDIS_CA_FILE is for TLS",
    ),
    (
        {"FEDFACE_REDIS_CA_FILE": "authority", "FEDFACE_REDIS_URL": "?ssl_ca_certs="},
        "FEDFACE_REDIS_CA_FILE and ssl_ca_certs",
    ),
    ({"FEDFACE_S3_SECURE": "false", "FEDFACE_S3_CA_FILE": "authority"}, "FEDFACE_S3_CA_FILE is for TLS"),
    ({"FEDFACE_REDIS_CA_FILE": "key"}, "FEDFACE_REDIS_CA_FILE is "),
    ({"FEDFACE_S3_CA_FILE": "nothing"}, "FEDFACE_S3_CA_FILE is 'nothing': give the path of a file in PEM form"),
    ({"FEDFACE_S3_CA_FILE": ""}, "FEDFACE_S3_CA_FILE is empty: give the path of a file"),
    ({"FEDFACE_API_TLS_CERTIFICATE_FILE": "certificate"}, BOTH_OF_A_PAIR.format("API")),
    ({"FEDFACE_METRICS_TLS_KEY_FILE": "key"}, BOTH_OF_A_PAIR.format("METRICS")),
    (
        {"FEDFACE_API_TLS_CERTIFICATE_FILE": "authority", "FEDFACE_API_TLS_KEY_FILE": "key"},
        "FEDFACE_API_TLS_CERTIFICATE_FILE is ",
    ),
]


@pytest.mark.parametrize(("wrong", "complaint"), WRONG_TLS)
def test_files_of_tls_that_cannot_be_used_are_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tls: dict[str, str],
    wrong: dict[str, str],
    complaint: str,
) -> None:
    given = {name: tls.get(value, value) for name, value in wrong.items()}
    if given.get("FEDFACE_REDIS_URL", "").startswith("?"):
        given["FEDFACE_REDIS_URL"] = f"{OF_TLS['FEDFACE_REDIS_URL']}?ssl_ca_certs={tls['authority']}"
    (line,) = stops_with(monkeypatch, capsys, S3 | OF_TLS | given, ControlSettings)
    assert line.startswith(f"settings: {complaint}")


@pytest.mark.parametrize("missing", ["FEDFACE_SIGNING_KEY_FILE", "FEDFACE_TRUSTED_KEYS_FILE"])
def test_a_service_without_a_key_is_told_how_to_make_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    monkeypatch.delenv(missing)
    (line,) = stops_with(monkeypatch, capsys, DIRECTORY)
    assert line == f"settings: {missing} is not set: python -m fedface_core.signing.make_keys DIRECTORY makes it"


def test_a_key_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = stops_with(monkeypatch, capsys, DIRECTORY | {"FEDFACE_SIGNING_KEY_FILE": "/no/such/key"})
    assert line == "settings: cannot read /no/such/key: No such file or directory"
