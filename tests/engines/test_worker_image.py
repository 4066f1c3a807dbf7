"""Beam's own boot program starts a worker with the environment variables of `docker/Dockerfile`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from clusters.dataflow.image import read_settings
from tests.engines.test_prism import PRISM, ROOT, animate, check_same

BOOT = ROOT / ".cache" / "engines" / "boot"
pytestmark = [
    pytest.mark.prism,
    pytest.mark.skipif(
        not (BOOT.exists() and PRISM.exists()), reason="no boot: `make test-prism` builds it with Go"
    ),
]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    from zoetrope.samples import write_folder

    return write_folder(tmp_path_factory.mktemp("corpus") / "photos", 12, long_side=240)


def test_boot_starts_a_worker_in_the_default_environment(source, tmp_path):
    settings = read_settings((ROOT / "docker" / "Dockerfile").read_text())
    # The image's default python is the one that the tests run with.
    settings["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    log, command = tmp_path / "boot.log", tmp_path / "boot"
    # Boot writes the pipeline's options into its working folder.
    # Prism puts quotes around the worker's id; a container would not see them.
    command.write_text(
        f"#!/bin/bash\ncd {tmp_path}\n"
        f'exec {shlex.quote(str(BOOT))} --semi_persist_dir={tmp_path} "${{@//\\\'/}}" >>{log} 2>&1\n'
    )
    command.chmod(0o755)
    direct, booted = tmp_path / "direct", tmp_path / "booted"
    assert animate(source, direct).returncode == 0
    environment = json.dumps({"command": str(command), "env": settings})
    done = animate(
        source,
        booted,
        "--runner=PrismRunner",
        f"--prism_location={PRISM}",
        "--prism_log_level=debug",
        "--environment_type=PROCESS",
        f"--environment_config={environment}",
    )
    assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "boot was not started")
    check_same(direct, booted)
    assert "Executing Python" in done.stderr, "boot started the worker"
    assert "Initializing temporary Python venv" not in done.stderr
