import asyncio
import socket

import pytest

from pipelines.fetching.addresses import AddressPolicy, RefusedAddressError
from pipelines.fetching.resolver import CheckedResolver, Lookup


def resolve(lookup: Lookup, times: int = 1) -> list[object]:
    async def ask() -> list[object]:
        resolver = CheckedResolver(AddressPolicy(), lookup, threads=1)
        answers: list[object] = []
        for _ in range(times):
            try:
                answers.append([found["host"] for found in await resolver.resolve("name.test", 80)])
            except OSError as error:
                answers.append(error)
        await resolver.close()
        return answers

    return asyncio.run(ask())


def test_only_allowed_addresses_are_passed_on() -> None:
    assert resolve(lambda host: ["10.0.0.1", "8.8.8.8", "168.63.129.16"]) == [["8.8.8.8"]]


def test_a_refusal_names_the_setting_that_would_allow_it() -> None:
    (error,) = resolve(lambda host: ["10.0.0.1"])
    assert isinstance(error, RefusedAddressError)
    assert "fetch.allowed_networks=[10.0.0.1]" in str(error)


@pytest.mark.parametrize(("code", "asked"), [(socket.EAI_NONAME, 1), (socket.EAI_AGAIN, 3)])
def test_a_name_that_does_not_exist_is_asked_for_once(code: int, asked: int) -> None:
    calls = []

    def fail(host: str) -> list[str]:
        calls.append(host)
        raise socket.gaierror(code, "no such name")

    assert len(resolve(fail, times=3)) == 3
    assert len(calls) == asked
