"""Where the packages of this repository lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = (ROOT, ROOT / "shared", *sorted(folder for folder in (ROOT / "services").iterdir() if folder.is_dir()))
"""The folders that packages are imported from: `loadtest` from the root, `fedface_core` from `shared`, and so on."""
SOURCES = sorted(path for top in ("shared", "services", "loadtest") for path in (ROOT / top).rglob("*.py"))
"""Every module that is shipped."""
