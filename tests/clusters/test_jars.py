"""Java programs are assembled from published jars; what cannot be had is one line."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from clusters import jars
from clusters.jars import EngineError, fetch, find_java, job_server


def test_a_job_server_is_a_manifest_that_names_the_jars_of_both_folders(tmp_path):
    for name in ("runner/beam.jar", "flink/flink.jar"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    jar = job_server(tmp_path / "runner", "org.example.Main", tmp_path / "flink")
    with zipfile.ZipFile(jar) as archive:
        raw = archive.read("META-INF/MANIFEST.MF").decode()
    assert max(len(line) for line in raw.split("\r\n")) <= 72
    lines = raw.replace("\r\n ", "").split("\r\n")
    assert "Main-Class: org.example.Main" in lines
    assert "Class-Path: runner/beam.jar flink/flink.jar" in lines


@pytest.mark.usefixtures("nothing_installed")
def test_a_machine_without_java_and_maven_is_one_line():
    with pytest.raises(EngineError, match="no java on the PATH; install Java 11 or 17"):
        find_java()
    with pytest.raises(EngineError, match="no mvn on the PATH to fetch group:name:1; install Maven"):
        fetch("group:name:1")


@pytest.mark.parametrize(("said", "version"), [("1.8.0_402", 8), ("26-ea", 26)])
@pytest.mark.usefixtures("nothing_installed")
def test_a_java_that_no_engine_runs_on_is_one_line(tmp_path, said, version):
    program(tmp_path / "java", f"echo 'openjdk version \"{said}\" 2024-01-16' >&2")
    with pytest.raises(EngineError, match=f"java is Java {version}; install Java 11 or 17"):
        find_java()


@pytest.mark.parametrize("said", ["11.0.22", "17", "no version"])
@pytest.mark.usefixtures("nothing_installed")
def test_another_java_is_taken(tmp_path, said):
    program(tmp_path / "java", f"echo 'openjdk version \"{said}\"' >&2")
    assert find_java() == str(tmp_path / "java")


@pytest.mark.usefixtures("nothing_installed")
def test_a_repository_that_does_not_deliver_in_time_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(jars, "FETCH_SECONDS", 0.2)
    program(tmp_path / "mvn", "exec /bin/sleep 60")
    with pytest.raises(EngineError, match="Maven does not deliver group:name:1 within"):
        fetch("group:name:1")
    assert not list((tmp_path / "engines").iterdir())


def program(path: Path, line: str) -> None:
    """Write a shell script of one line."""
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@pytest.fixture
def nothing_installed(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(jars, "ENGINES", tmp_path / "engines")


def test_two_processes_may_unpack_the_same_archive(tmp_path):
    archive = tmp_path / "package.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("package/deps/lib/a.jar", "package/other/b.jar"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"jar"))
    folder: Path = tmp_path / "engines" / "lib"
    jars._unpack(archive, "deps/lib", folder)
    jars._unpack(archive, "deps/lib", folder)
    assert [path.name for path in folder.iterdir()] == ["a.jar"]
    assert [path.name for path in folder.parent.iterdir()] == ["lib"], "no part is left"
