import os

import pytest

from pipelines.output.folder import Output
from pipelines.output.lock import output_lock
from schemas.errors import ConfigError


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_a_second_job_is_refused_in_one_line_and_nothing_is_left(tmp_path, place):
    output = Output(str(tmp_path) if place == "disk" else f"memory://{tmp_path.name}/clips")
    with output_lock(output):
        with pytest.raises(ConfigError) as refused, output_lock(output):
            pass
        text = str(refused.value)
        assert text.startswith(
            f"output {output.uri}: another job is writing there (process {os.getpid()} on "
        )
        assert text.endswith("wait for it, stop it, or give another output")
    with output_lock(output):
        pass
    assert not (tmp_path / "_zoetrope" / "lock").exists()
