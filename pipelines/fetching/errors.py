"""Reasons of failed downloads, and the mapping from aiohttp's exceptions to them."""

from __future__ import annotations

import socket
import ssl

import aiohttp

from pipelines.fetching.addresses import RefusedAddressError
from schemas.records import Reason, SampleError, Stage


class PassingError(SampleError):
    """A failure that another attempt may avoid."""

    def __init__(self, reason: Reason, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(Stage.FETCH, reason, detail)
        self.retry_after = retry_after  # seconds that the server asks for; None if it does not say


def fetch_error(reason: Reason, detail: str) -> SampleError:
    """A failure that another attempt would meet as well."""
    return SampleError(Stage.FETCH, reason, detail)


def may_pass(error: OSError) -> bool:
    """Is this a temporary failure of the resolver?"""
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN


def translated(error: Exception) -> SampleError:
    """The failure that an exception of the HTTP client means."""
    cause = getattr(error, "os_error", error)
    text = str(cause) or type(cause).__name__
    if isinstance(cause, RefusedAddressError):
        return fetch_error(Reason.REFUSED_ADDRESS, text)
    if isinstance(error, TimeoutError):
        return PassingError(Reason.TIMEOUT, text)
    if isinstance(cause, socket.gaierror):
        if may_pass(cause):
            return PassingError(Reason.DNS_ERROR, text)
        return fetch_error(Reason.DNS_ERROR, text)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError) or isinstance(cause, ssl.SSLError):
        return fetch_error(Reason.TLS_ERROR, text)
    if isinstance(error, aiohttp.ClientPayloadError):
        return PassingError(Reason.TRUNCATED, text)
    if isinstance(error, aiohttp.ClientResponseError):
        return fetch_error(Reason.HTTP_ERROR, f"the answer is not HTTP: {error.message}")
    if isinstance(cause, ConnectionResetError | aiohttp.ServerDisconnectedError):
        return PassingError(Reason.CONNECTION_ERROR, text)
    if isinstance(error, ValueError):  # aiohttp.InvalidURL is one
        return fetch_error(Reason.BAD_URL, text)
    return fetch_error(Reason.CONNECTION_ERROR, text)
