"""Which proxy the command uses to reach the control API, by the environment variables that other programs read too.

HTTP_PROXY or HTTPS_PROXY by the scheme of the API's URL, then ALL_PROXY, unless NO_PROXY names the host: by name, by domain,
or by a network such as ``fd00::/8``. The names may be written in small letters. A proxy elsewhere cannot reach the loopback
interface of this machine, so an API there is never asked through one.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.request import getproxies, proxy_bypass

import httpx

from fedface_core.domain.credentials import mask_url
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.loopback import leads_to_loopback


@dataclass(frozen=True)
class ProxySetting:
    """A proxy, and the environment variable that names it."""

    url: str
    variable: str

    def __str__(self) -> str:
        """What an error message adds to the URL of the API."""
        return f"through the proxy {mask_url(self.url)} of {self.variable}"


def proxy_for(url: httpx.URL) -> ProxySetting | None:
    """The proxy for requests to ``url``, or None."""
    proxies = getproxies()
    kind = next((kind for kind in (url.scheme, "all") if proxies.get(kind)), None)
    if kind is None or leads_to_loopback(url.host) or _is_bypassed(url, proxies):
        return None
    given = proxies[kind]
    names = [name for name in os.environ if name.lower() == f"{kind}_proxy" and os.environ[name] == given]
    return ProxySetting(given if "://" in given else f"http://{given}", names[0] if names else "the system's settings")


def transport_to(
    url: httpx.URL, ca_file: Path | None = None, *, and_the_machines: bool = False
) -> tuple[httpx.BaseTransport, ProxySetting | None]:
    """A transport for requests to ``url``, and the proxy that it uses.

    It trusts the authorities in ``ca_file``, ``and_the_machines`` if that is said, or else the machine's alone.
    `InvalidInputError` names what is wrong: a proxy that cannot be used, or certificates that cannot be read.
    """
    proxy = proxy_for(url)
    trusted: ssl.SSLContext | bool = True
    if url.scheme == "http" and proxy is None:
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody: to read the machine's authorities takes a while
    elif ca_file is not None:
        trusted = _trusting(ca_file, and_the_machines=and_the_machines)
    try:
        # With a transport of its own, httpx.Client does not read the variables: it fails at a network in NO_PROXY.
        return httpx.HTTPTransport(verify=trusted, proxy=proxy.url if proxy else None), proxy
    except OSError as error:
        names = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
        raise InvalidInputError(
            f"the trusted certificates cannot be read ({error.strerror or error}): "
            f"correct {' or '.join(names) or 'the installation of certifi'}"
        ) from None
    except ImportError:
        assert proxy is not None, "only a SOCKS proxy needs another package"
        raise InvalidInputError(
            f"{proxy.variable} is {mask_url(proxy.url)}: a SOCKS proxy needs the package socksio; "
            f"pip install socksio, give an HTTP proxy, or name the host {url.host} in NO_PROXY"
        ) from None
    except (httpx.InvalidURL, ValueError) as error:
        if proxy is None:
            raise
        raise InvalidInputError(
            f"{proxy.variable} is {mask_url(proxy.url)}, which cannot be used ({error}): correct it to the form "
            f"http://proxy.example:3128, or name the host {url.host} in NO_PROXY"
        ) from None


def _trusting(ca_file: Path, *, and_the_machines: bool) -> ssl.SSLContext:
    try:
        context = httpx.create_ssl_context() if and_the_machines else ssl.create_default_context(cafile=ca_file)
        context.load_verify_locations(ca_file)
    except ssl.SSLError:
        raise InvalidInputError(f"{ca_file} has no certificates: give a PEM file of the authorities to trust") from None
    except OSError as error:
        raise InvalidInputError(f"the trusted certificates in {ca_file} cannot be read: {error.strerror or error}") from None
    return context


def _is_bypassed(url: httpx.URL, proxies: Mapping[str, str]) -> bool:
    excluded = [entry.strip() for entry in proxies.get("no", "").split(",")]
    if "*" in excluded:
        return True
    address = _address(url.host)
    if address is not None and any(address in network for entry in excluded if (network := _network(entry)) is not None):
        return True
    authority = f"{url.host}:{url.port}" if url.port else url.host
    return bool(proxy_bypass(authority))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None
