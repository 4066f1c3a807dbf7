"""The recipe of the worker images as it is has no faults; each way to break a worker is one."""

from __future__ import annotations

import pytest

from clusters.dataflow.image import ROOT, check_image, dockerfile_faults, lock_faults, read_lock

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
CPU_LOCK = ROOT / "docker" / "cpu.lock"


def test_the_recipe_has_no_faults(tmp_path):
    assert list(check_image(tmp_path)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("ENTRYPOINT", "USER 1000\nENTRYPOINT", "USER: boot writes below /opt"),
        ("ENV PIP", "RUN python -m venv /opt/zoetrope\nENV PIP", "does not see a virtual environment"),
        ("_DEFAULT_ENVIRONMENT=1", "_DEFAULT_ENVIRONMENT=0", "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT must be 1"),
        ("FROM python:3.11-slim-bookworm", "FROM ubuntu:22.04", "must start from python:3.11-slim"),
        ("ZOETROPE_IMAGE=${IMAGE}", "OTHER=1", "ZOETROPE_IMAGE must be ${IMAGE}"),
        ("docker/launch_template.py", "docker/gone.py", "no such file"),
        ("docker/launch_template.py /opt", "docker/launch_template.py /srv", "is not copied into the image"),
        ('["/opt/apache/beam/boot"]', '["python"]', "the last line must be"),
    ],
)  # fmt: skip
def test_a_worker_that_would_not_start_is_a_fault(old, new, fault):
    assert old in DOCKERFILE
    found = list(dockerfile_faults(DOCKERFILE.replace(old, new)))
    assert [line for line in found if fault in line], found


def test_the_cpu_lock_is_complete_and_light():
    lock = read_lock(CPU_LOCK)
    assert "apache-beam" in lock
    assert "simplejpeg" in lock
    assert not {"torch", "kornia", "pytest"} & set(lock)


def test_other_versions_and_heavy_packages_are_faults():
    gpu = {"apache-beam": "2.77.0", "numpy": "2.4.6", "torch": "2.15.0"}
    cpu = {"apache-beam": "2.70.0", "numpy": "2.4.6", "torch": "2.15.0"}
    found = "\n".join(lock_faults(DOCKERFILE, gpu, cpu))
    assert "docker/cpu.lock: Beam 2.70.0 is not of the version of the boot program" in found
    assert "apache-beam differ from requirements.lock" in found
    assert "torch do not belong into the CPU image" in found
