import socket
import ssl

import aiohttp
import pytest

from pipelines.fetching.addresses import RefusedAddressError
from pipelines.fetching.errors import PassingError, translated
from schemas.records import Reason


@pytest.mark.parametrize(
    ("error", "reason", "passing"),
    [
        (RefusedAddressError("10.0.0.1 is private"), Reason.REFUSED_ADDRESS, False),
        (TimeoutError(), Reason.TIMEOUT, True),
        (socket.gaierror(socket.EAI_AGAIN, "later"), Reason.DNS_ERROR, True),
        (socket.gaierror(socket.EAI_NONAME, "no"), Reason.DNS_ERROR, False),
        (ssl.SSLError("certificate"), Reason.TLS_ERROR, False),
        (aiohttp.ClientPayloadError("short"), Reason.TRUNCATED, True),
        (ConnectionResetError(), Reason.CONNECTION_ERROR, True),
        (aiohttp.ServerDisconnectedError(), Reason.CONNECTION_ERROR, True),
        (aiohttp.InvalidURL("x"), Reason.BAD_URL, False),
        (OSError("unreachable"), Reason.CONNECTION_ERROR, False),
    ],
)
def test_each_exception_of_the_client_has_a_reason(error: Exception, reason: Reason, passing: bool) -> None:
    found = translated(error)
    assert (found.reason, isinstance(found, PassingError)) == (reason, passing)
    assert found.detail
