"""Assemble Java programs from published jars. Maven and pip fetch them once into ``.cache/engines``.

Beam publishes each job server as one jar with all dependencies. Not every repository serves those; all of
them serve the runner and its dependencies, which hold the same code.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

ENGINES = Path(".cache") / "engines"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
BYTEMAN = "org.jboss.byteman:byteman:4.0.24"
JAVA_VERSIONS = range(11, 22)  # 11 and 17 are tested; Flink and Spark refuse older and newer ones
FETCH_SECONDS = 900.0  # for the jars of an engine, which are 300 MB
SILENT_MS = 60_000  # after which Maven asks a silent repository again, in place of half an hour
RULES = Path(__file__).with_name("beam.btm")
# The engines' serializers need these packages, which Java 17 closes.
OPENED = (
    "java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util",
    "java.util.concurrent", "java.util.concurrent.atomic", "java.time", "sun.nio.ch", "sun.nio.cs",
    "sun.security.action", "sun.util.calendar",
)  # fmt: skip
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>zoetrope</groupId><artifactId>engine</artifactId><version>1</version><dependencies>
<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>
</dependencies></project>
"""


class EngineError(Exception):
    """An engine cannot be assembled or started. The message is one line with the reason."""


def find_java() -> str:
    """Find Java on the PATH. Raises EngineError if there is none that Flink and Spark run on."""
    java = shutil.which("java")
    if java is None:
        raise EngineError("no java on the PATH; install Java 11 or 17")
    version = _java_version(java)
    if version is not None and version not in JAVA_VERSIONS:
        raise EngineError(f"{java} is Java {version}; install Java 11 or 17")
    return java


@cache
def _java_version(java: str) -> int | None:
    """Ask a Java for its version: 8, 11, 17 and so on; None if it does not say."""
    said = subprocess.run([java, "-version"], capture_output=True, text=True).stderr  # noqa: S603
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    if found is None:
        return None
    return int(found[1])


def fetch(artifact: str, *, without: Sequence[str] = ()) -> Path:
    """Fetch ``group:name:version`` and its run-time dependencies, except the groups in `without`.

    Returns their folder. Raises EngineError if Maven is not installed or does not deliver them.
    """
    group, name, version = artifact.split(":")
    folder = ENGINES / f"{name}-{version}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise EngineError(f"no mvn on the PATH to fetch {artifact}; install Maven")
    ENGINES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ENGINES) as scratch:
        (Path(scratch) / "pom.xml").write_text(POM.format(group, name, version))
        command = [maven, "-B", "-q", PLUGIN, "-DincludeScope=runtime", "-DoutputDirectory=jars"]
        command += [
            f"-D{name}={SILENT_MS}" for name in ("maven.wagon.rto", "aether.connector.requestTimeout")
        ]
        command += [f"-DexcludeGroupIds={','.join(without)}"]
        done = _run(command, f"Maven does not deliver {artifact}", Path(scratch))
        if done.returncode:
            errors = [line for line in done.stdout.splitlines() if "[ERROR]" in line]
            first, *_ = errors or [done.stderr.strip()]
            raise EngineError(f"Maven does not deliver {artifact}: {first}")
        _put(Path(scratch) / "jars", folder)
    return folder


def fetch_from_pypi(requirement: str, inside: str, folder: Path) -> Path:
    """Fetch the jars in the folder `inside` of a source package into `folder`. Raises EngineError."""
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        command += ["--no-build-isolation", "--dest", scratch, requirement]
        done = _run(command, f"PyPI does not deliver {requirement}", Path(scratch))
        found = list(Path(scratch).glob("*.tar.gz"))
        if not found:
            errors = [line for line in done.stderr.splitlines() if line.strip()]
            *_, last = errors or ["no reason was given"]
            raise EngineError(f"PyPI does not deliver {requirement}: {last}")
        _unpack(found[0], inside, folder)
    return folder


def _run(command: list[str], problem: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder. Raises EngineError if it does not end in time."""
    try:
        return subprocess.run(  # noqa: S603 - our own arguments
            command, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"{problem} within {FETCH_SECONDS:.0f} seconds") from None


def _unpack(archive: Path, inside: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isfile() or f"/{inside}/" not in member.name:
                continue
            source = tar.extractfile(member)
            if source is not None:
                with (part / Path(member.name).name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    _put(part, folder)


def _put(part: Path, folder: Path) -> None:
    """Move a complete folder to its name. Another process may have been faster; its folder holds the same."""
    try:
        part.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(part)


def job_server(folder: Path, main: str, beside: Path) -> Path:
    """Write a jar that starts `main` with `java -jar`.

    It holds only a manifest with the jars of both folders.
    """
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
    """Compose a Java command with a small heap and its log settings, which are written to `log_config`.

    Raises EngineError.
    """
    log_config.write_text(
        "rootLogger.level = INFO\nrootLogger.appenderRef.out.ref = Out\n"
        "appender.out.name = Out\nappender.out.type = CONSOLE\n"
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
    """List the options of every Java that runs Beam: opened packages, servers on loopback, one compiler.

    Raises EngineError.
    """
    byteman = next(fetch(BYTEMAN).glob("*.jar")).resolve()
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    # These programs run for minutes: compiling their code twice would cost more than it gains.
    return [f"-javaagent:{byteman}=script:{RULES}", "-XX:TieredStopAtLevel=1", *opened]


def _folded(line: str) -> str:
    """Fold a line of a manifest into lines of at most 72 bytes; continuations start with a space."""
    parts = [line[:70], *(line[at : at + 69] for at in range(70, len(line), 69))]
    return "\r\n ".join(parts) + "\r\n"
