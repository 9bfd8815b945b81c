"""Whether the browser is on the machine that runs the app: only then may it name files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

import streamlit as st

#: Set to anything but "" or "0": the app serves a group, and no browser may name files of this machine.
GROUP = "PRUNEATTR_GROUP"
#: Headers that only something between browser and server writes, in lower case. Beside them count all that
#: begin with `_RELAYED`.
RELAYS = frozenset(
    (
        "forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-forwarded-for",
        "x-originating-ip", "x-remote-ip", "x-remote-addr", "x-envoy-external-address", "x-envoy-internal",
        "x-request-start", "x-original-host", "x-original-url", "x-rewrite-url", "x-host",
        "x-azure-clientip", "x-azure-socketip", "x-appengine-user-ip", "x-arr-log-id", "x-amzn-trace-id",
        "x-cloud-trace-context", "x-nginx-proxy", "x-scheme", "x-url-scheme", "front-end-https",
        "client-ip", "true-client-ip", "fastly-client-ip", "fly-client-ip", "do-connecting-ip",
        "wl-proxy-client-ip", "proxy-client-ip", "proxy-connection", "max-forwards", "cdn-loop",
        "x-varnish", "x-ngrok-trace-id", "tailscale-user-login", "x-vercel-id", "x-vercel-forwarded-for",
        "x-nf-client-connection-ip", "x-sucuri-clientip", "incap-client-ip", "ali-cdn-real-ip",
    )
)  # fmt: skip
_RELAYED = ("x-forwarded", "cf-", "x-proxy", "akamai-", "x-akamai", "cloudfront-", "x-tailscale-")
_LOCAL = ("localhost", "127.0.0.1", "::1")


def serves_group() -> bool:
    """Whether the app was started for others than the person at this machine."""
    return os.environ.get(GROUP, "") not in ("", "0")


def browser_here() -> bool:
    """Whether the browser is on this machine: a local address on both ends, no relay, not serving a group.

    A relay that says nothing of itself cannot be told from a browser: behind one, set `GROUP`.
    """
    headers = st.context.headers
    host = urlsplit(f"//{headers.get('Host', '')}").hostname
    here = loopback(st.context.ip_address) and host in _LOCAL and not relayed(headers.keys())
    return here and not serves_group()


def relayed(names: Iterable[str]) -> bool:
    """Whether one of these header names is only written by a proxy."""
    return any(name in RELAYS or name.startswith(_RELAYED) for name in (name.lower() for name in names))


def loopback(address: str | None) -> bool:
    """Whether a connection's address is this machine's own.

    Args:
        address: as `st.context.ip_address` gives it: None for the plain local ones, "::ffff:127.0.0.1" where
            the server listens on IPv6 and the browser came over IPv4.
    """
    if address is None:
        return True
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback
