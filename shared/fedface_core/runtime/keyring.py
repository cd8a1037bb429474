"""The keys of a process, from its settings."""

from __future__ import annotations

from functools import cache

from fedface_core.runtime.settings import Settings
from fedface_core.signing.keys import Keyring, load_keyring, own_keys


def keyring_of(settings: Settings) -> Keyring:
    """The keys that the settings name. With trusted keys alone, the process can read what is signed, and sign nothing.

    Without any, it has keys of its own: it believes nobody, and nobody believes it. `InvalidInputError` if a file cannot be
    used. The processes of services are refused without keys when they load their settings (`load_settings`).
    """
    if settings.trusted_keys_file is None:
        return own_keys()
    return _loaded(settings.signing_key_file, settings.trusted_keys_file)


_loaded = cache(load_keyring)  # a process has one keyring, so that one look at a changed file is enough
