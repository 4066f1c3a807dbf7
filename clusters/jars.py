"""Java programs put together from published jars: fetched with Maven and pip once, kept under ``.cache/engines``.

Beam's job servers are usually had as one jar with everything in it. Not every repository serves those; all of them serve
the runner and what it depends on, which is the same code.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

ENGINES = Path(".cache") / "engines"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
BYTEMAN = "org.jboss.byteman:byteman:4.0.24"
RULES = Path(__file__).with_name("beam.btm")
# Java 17 hides what the engines' serializers reach into.
OPENED = (
    "java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util",
    "java.util.concurrent", "java.util.concurrent.atomic", "java.time", "sun.nio.ch", "sun.nio.cs", "sun.security.action",
    "sun.util.calendar",
)  # fmt: skip
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>zoetrope</groupId><artifactId>engine</artifactId><version>1</version><dependencies>
<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>
</dependencies></project>
"""


class EngineError(Exception):
    """What an engine needs cannot be had: one line with the reason."""


def find_java() -> str:
    """Java on the PATH. Raises EngineError."""
    java = shutil.which("java")
    if java is None:
        raise EngineError("no java on the PATH; Java 11 or 17 must be there")
    return java


def fetch(artifact: str, *, without: Sequence[str] = ()) -> Path:
    """Folder with the jars of ``group:name:version`` and of all it needs at run time, but those of the groups in `without`.

    Raises EngineError if Maven is not there or does not give them.
    """
    group, name, version = artifact.split(":")
    folder = ENGINES / f"{name}-{version}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise EngineError(f"no mvn on the PATH to fetch {artifact} with")
    ENGINES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ENGINES) as scratch:
        (Path(scratch) / "pom.xml").write_text(POM.format(group, name, version))
        command = [maven, "-B", "-q", PLUGIN, "-DincludeScope=runtime", "-DoutputDirectory=jars"]
        command += [f"-DexcludeGroupIds={','.join(without)}"]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)  # noqa: S603 - our own arguments
        if done.returncode:
            errors = [line for line in done.stdout.splitlines() if "[ERROR]" in line]
            raise EngineError(
                f"Maven does not give {artifact}: {errors[0] if errors else done.stderr.strip()}"
            )
        (Path(scratch) / "jars").rename(folder)
    return folder


def fetch_from_pypi(requirement: str, inside: str, folder: Path) -> Path:
    """Folder with the jars that the source package has in its folder `inside`. Raises EngineError."""
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        command += ["--no-build-isolation", "--dest", scratch, requirement]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - our own arguments
        found = list(Path(scratch).glob("*.tar.gz"))
        if not found:
            errors = [line for line in done.stderr.splitlines() if line.strip()]
            raise EngineError(
                f"{requirement} cannot be had from PyPI: {errors[-1] if errors else 'no reason was given'}"
            )
        _unpack(found[0], inside, folder)
    return folder


def _unpack(archive: Path, inside: str, folder: Path) -> None:
    part = folder.with_name(f"{folder.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            source = tar.extractfile(member) if member.isfile() and f"/{inside}/" in member.name else None
            if source is not None:
                with (part / Path(member.name).name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    part.rename(folder)


def job_server(folder: Path, main: str, beside: Path) -> Path:
    """A jar that starts `main` with `java -jar`: nothing but a manifest that names the jars of both folders."""
    jar = folder.with_name(f"{folder.name}-job-server.jar")
    names = [
        os.path.relpath(path, jar.parent)
        for place in (folder, beside)
        for path in sorted(place.glob("*.jar"))
    ]
    lines = ["Manifest-Version: 1.0", f"Main-Class: {main}", f"Class-Path: {' '.join(names)}"]
    lines += [f"Add-Opens: {' '.join(f'java.base/{package}' for package in OPENED)}"]
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "".join(_folded(line) for line in lines))
    return jar


def java_command(heap_mb: int, log_config: Path) -> list[str]:
    """Java with a small heap and logging as the file says, which is written. Raises EngineError."""
    log_config.write_text(
        "rootLogger.level = INFO\nrootLogger.appenderRef.out.ref = Out\nappender.out.name = Out\nappender.out.type = CONSOLE\n"
        "appender.out.layout.type = PatternLayout\nappender.out.layout.pattern = %d %-5p %c{1} - %m%n\n"
    )
    settings = [
        f"-Xmx{heap_mb}m",
        "-XX:MaxMetaspaceSize=256m",
        "-XX:+UseSerialGC",
        f"-Dlog4j.configurationFile={log_config}",
    ]
    return [find_java(), *settings, *java_options()]


def java_options() -> list[str]:
    """What every Java with Beam in it needs: its packages opened, Beam's servers on loopback. Raises EngineError."""
    byteman = next(fetch(BYTEMAN).glob("*.jar")).resolve()
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    return [f"-javaagent:{byteman}=script:{RULES}", *opened]


def _folded(line: str) -> str:
    """A line of a manifest: at most 72 bytes, what follows stands behind a space."""
    parts = [line[:70], *(line[at : at + 69] for at in range(70, len(line), 69))]
    return "\r\n ".join(parts) + "\r\n"
