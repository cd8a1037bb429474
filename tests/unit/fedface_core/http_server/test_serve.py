"""A connection that does not finish its TLS handshake is closed; one that does is served."""

from __future__ import annotations

import ssl
from contextlib import closing
from pathlib import Path

import pytest
import structlog
import trustme
from starlette.responses import PlainTextResponse

from fedface_core.http_server.capacity import Capacity
from fedface_core.http_server.serve import Listening, PromptHandshakes, serve
from support.held_connections import answer_of, connected, port_of, serving


def test_a_client_that_does_not_finish_its_handshake_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PromptHandshakes, "handshake_seconds", 3.0)
    authority = trustme.CA()
    own = authority.issue_cert("localhost")
    certificate = tmp_path / "certificate.pem"
    key = tmp_path / "key.pem"
    certificate.write_bytes(b"".join(part.bytes() for part in own.cert_chain_pems))
    key.write_bytes(own.private_key_pem.bytes())
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    at = Listening("127.0.0.1", 0, certificate, key)
    app = PlainTextResponse("fine")
    with (
        structlog.testing.capture_logs(),
        serving(lambda: serve(app, at, Capacity(), app, 1)) as server,
        closing(connected(port_of(server))) as silent,
    ):
        silent.settimeout(30.0)
        assert silent.recv(4096) == b""
        with trusting.wrap_socket(connected(port_of(server)), server_hostname="localhost") as honest:
            assert answer_of(honest).endswith(b"fine")
