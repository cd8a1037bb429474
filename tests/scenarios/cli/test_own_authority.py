"""An API whose certificate is of an authority of one's own is trusted by `--ca-file`, by its variable, or by a profile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from support.command_line import Invoke
from support.served_app import served
from support.tls_servers import Certificates, certificates_in


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def url(certificates: Certificates) -> Iterator[str]:
    app = FastAPI()
    app.get("/v1/runs")(lambda: {"runs": []})
    pair = certificates.good
    with served(app, ssl_certfile=pair.certificate, ssl_keyfile=pair.key) as url:
        yield url


def test_each_way_of_naming_the_authority_works(
    fedface: Invoke, url: str, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fedface("run", "list", "--api-url", url, "--ca-file", str(certificates.authority))[0] == 0
    settings = tmp_path / "fedface/config.toml"
    settings.parent.mkdir()
    (settings.parent / "ca.pem").write_bytes(certificates.authority.read_bytes())
    settings.write_text(f'[profiles.lab]\napi_url = "{url}"\nca_file = "ca.pem"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert fedface("run", "list", "--profile", "lab")[0] == 0
    monkeypatch.setenv("FEDFACE_API_CA_FILE", str(certificates.authority))
    assert fedface("run", "list", "--api-url", url)[0] == 0


def test_another_authority_is_not_trusted_and_is_named(fedface: Invoke, url: str, certificates: Certificates) -> None:
    code, _, err = fedface("run", "list", "--api-url", url, "--ca-file", str(certificates.other_authority))
    assert code == 5
    assert "cannot be trusted" in err
    assert f"that did in --ca-file, instead of {certificates.other_authority}" in err
    code, _, err = fedface("run", "list", "--api-url", url)
    assert (code, "that did in SSL_CERT_FILE, or in --ca-file" in err) == (5, True)
