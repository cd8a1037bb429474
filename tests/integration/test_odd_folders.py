"""Real servers whose folder has a name that no configuration file could hold unquoted."""

from __future__ import annotations

from pathlib import Path

from fedface_core.adapters.s3 import S3Artifacts
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, prometheus, seaweedfs
from fedface_stack.local_ports import free_ports
from support.required_parts import required_binary
from support.servers import running

ODD = 'it\'s a, "b" #1 100% $HOME [x]*? é照\nnext -line\\'


def test_seaweedfs_keeps_its_data_there(server_processes: Children, tmp_path: Path) -> None:
    master, volume, filer, s3 = free_ports(4)
    spec = seaweedfs(tmp_path / ODD, (master, volume, filer, s3), "key", "secret", "bucket")
    with running(server_processes, spec, tmp_path):
        store = S3Artifacts(f"{HOST}:{s3}", "bucket", "key", "secret")
        store.put("a/b", b"whole")
        assert store.get("a/b") == b"whole"
    names = {path.name for path in (tmp_path / ODD / "seaweedfs").iterdir()}
    assert any(name.endswith(".dat") for name in names), names
    assert "filerldb2" in names
    assert [path.name for path in tmp_path.iterdir() if path.name != "s3.log"] == [ODD]


def test_prometheus_keeps_its_data_there(server_processes: Children, tmp_path: Path) -> None:
    required_binary("prometheus", "prometheus", "prometheus")
    (port,) = free_ports(1)
    with running(server_processes, prometheus(tmp_path / ODD, port, {}), tmp_path):
        assert (tmp_path / ODD / "prometheus" / "data").is_dir()
