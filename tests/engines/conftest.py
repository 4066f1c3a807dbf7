"""What the tests of gs:// share: the server, which is also where the clients of this process go."""

from __future__ import annotations

import pytest
from gcs_server import run_gcs


@pytest.fixture(scope="module")
def gcs(tmp_path_factory):
    with run_gcs(tmp_path_factory.mktemp("gcs")) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.env.items():
            patch.setenv(name, value)
        yield running
