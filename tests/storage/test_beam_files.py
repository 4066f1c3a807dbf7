"""One S3 client a process. boto3 is stood in for: it is an extra, and not where the tests run."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace

import pytest
from apache_beam.io.aws import s3io
from apache_beam.io.aws.clients.s3 import boto3_client
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from storage import output_files
from storage.beam_files import beam_files


class RefusedError(Exception):
    """What has no HTTP status Beam would ask for again, for minutes."""

    response = {"ResponseMetadata": {"HTTPStatusCode": 403}}


class Boto3:
    """Counts the clients that are made; each knows one object, and fails without credentials."""

    def __init__(self) -> None:
        self.made: list[dict] = []
        self.credentials: object | None = object()
        self.session = SimpleNamespace(Session=lambda: self)

    def get_credentials(self) -> object | None:
        return self.credentials

    def client(self, **arguments: object) -> SimpleNamespace:
        self.made.append(arguments)
        return SimpleNamespace(head_object=self.head_object)

    def head_object(self, *, Bucket: str, Key: str) -> dict:
        if self.credentials is None:
            raise RefusedError("Unable to locate credentials")
        return {"ETag": "", "LastModified": None, "ContentLength": 7, "ContentType": ""}


@pytest.fixture
def boto3(monkeypatch) -> Boto3:
    installed = Boto3()
    config = ModuleType("botocore.config")
    config.Config = lambda **values: values
    monkeypatch.setitem(sys.modules, "botocore", ModuleType("botocore"))
    monkeypatch.setitem(sys.modules, "botocore.config", config)
    monkeypatch.setattr(boto3_client, "boto3", installed)
    monkeypatch.setattr(s3io, "BOTO3_INSTALLED", True)
    monkeypatch.setattr(FileSystems, "_pipeline_options", PipelineOptions([]))
    return installed


def test_all_requests_of_a_process_share_a_client(boto3):
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda n: output_files.exists(f"s3://bucket/{n}"), range(40)))
    assert len(boto3.made) == 1
    assert boto3.made[0]["config"]["max_pool_connections"] >= 64


def test_other_options_are_another_client(boto3):
    files = beam_files("s3://bucket/a")
    for endpoint in ("http://one", "http://two", "http://one"):
        s3io.S3IO(options={"s3_endpoint_url": endpoint}).exists("s3://bucket/a")
    assert [made["endpoint_url"] for made in boto3.made] == ["http://one", "http://two"]
    assert files is FileSystems


def test_credentials_that_come_later_are_found(boto3):
    found, boto3.credentials = boto3.credentials, None
    with pytest.raises(OSError, match="s3://bucket/a"):
        output_files.exists("s3://bucket/a")
    boto3.credentials = found
    assert output_files.exists("s3://bucket/a")
    assert output_files.exists("s3://bucket/a")
    assert len(boto3.made) == 2
