"""Whether the browser is on the machine that runs the app: only then may it name files."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import streamlit as st


def browser_here() -> bool:
    """Whether the browser is on this machine: no address but the local one, and no proxy between."""
    headers = st.context.headers
    host = urlsplit(f"//{headers.get('Host', '')}").hostname
    forwarded = any(headers.get(name) for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip"))
    return loopback(st.context.ip_address) and host in ("localhost", "127.0.0.1", "::1") and not forwarded


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
