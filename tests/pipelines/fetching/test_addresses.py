import pytest

from pipelines.fetching.addresses import AddressPolicy, RefusedAddressError

REFUSED = """
127.0.0.1 127.8.8.8 0.0.0.0 10.1.1.1 172.16.0.1 192.168.1.1 169.254.1.1 169.254.169.254
169.254.170.2 100.64.0.1
100.100.100.200 168.63.129.16 192.0.0.1 198.18.0.1 203.0.113.5 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 2002:7f00:1:: 2002:a00:1:: 64:ff9b::7f00:1
64:ff9b::a9fe:a9fe 64:ff9b:1::1
fd00:ec2::254 fd20:ce::254 fc00::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 2001:db8::1
2001:0:4136:e378:8000:63bf:3fff:fdd2
"""
PUBLIC = "8.8.8.8 1.1.1.1 93.184.216.34 2606:4700:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::"


@pytest.mark.parametrize("address", REFUSED.split())
def test_what_is_not_public_is_refused_with_a_word_for_it(address):
    why = AddressPolicy().refusal(address)
    assert why is not None
    assert " is " in why
    assert AddressPolicy(allow_private=True).refusal(address) is None


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses_pass(address):
    assert AddressPolicy().refusal(address) is None


def test_the_metadata_service_is_named():
    for address in ("169.254.169.254", "168.63.129.16", "::ffff:168.63.129.16"):
        assert "metadata" in (AddressPolicy().refusal(address) or "")


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3.4.5"])
def test_what_is_no_address_is_refused_whatever_is_allowed(text):
    assert AddressPolicy(allow_private=True).refusal(text) is not None


def test_allowed_networks_open_just_those():
    policy = AddressPolicy(allowed=("10.1.0.0/16", "fd12::/32"))
    assert policy.refusal("10.1.2.3") is None
    assert policy.refusal("fd12::5") is None
    assert policy.refusal("10.2.2.3") is not None


def test_of_several_addresses_the_public_ones_are_kept():
    assert AddressPolicy().check(["127.0.0.1", "8.8.8.8"]) == ["8.8.8.8"]
    with pytest.raises(RefusedAddressError, match="loopback"):
        AddressPolicy().check(["127.0.0.1", "::1"])
    with pytest.raises(RefusedAddressError, match="no address"):
        AddressPolicy().check([])
