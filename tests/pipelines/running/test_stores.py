import pickle

import pytest

from pipelines.making.config import ShardConfig
from pipelines.running.graph import JobSpec
from pipelines.running.stores import store_options
from storage.login import get_options, set_options


@pytest.fixture(autouse=True)
def _restored():
    yield
    set_options({})


def test_options_of_s3_become_those_of_our_file_systems():
    beam_args = ["--runner=FlinkRunner", "--s3_endpoint_url=http://127.0.0.1:9000", "--s3_region_name", "eu"]
    beam_args += ["--s3_access_key_id=a", "--s3_secret_access_key=b", "--s3_disable_ssl", "--parallelism=4"]
    assert store_options(beam_args) == {
        "s3": {
            "endpoint_url": "http://127.0.0.1:9000",
            "key": "a",
            "secret": "b",
            "client_kwargs": {"region_name": "eu"},
            "use_ssl": False,
        }
    }
    assert store_options(["--runner=FlinkRunner", "--", "x"]) == {}


def test_they_travel_to_the_workers():
    set_options(store_options(["--s3_endpoint_url=http://127.0.0.1:9000"]))
    spec = pickle.loads(pickle.dumps(JobSpec("clips", "f", ShardConfig())))
    set_options({})
    assert spec.stores == {"s3": {"endpoint_url": "http://127.0.0.1:9000"}}
    set_options(spec.stores)
    assert get_options() == spec.stores
