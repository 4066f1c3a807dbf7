import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from PIL import Image

from schemas.errors import ConfigError
from zoetrope.commands.studio import main


def test_port_in_use_is_one_line_and_exit_2():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "zoetrope.cli", "studio", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "--port" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "70000"], "0 to 65535"),
        (["--port", "many"], "--port"),
        (["nothing.jpg/here"], "nothing"),
        (["00000.tar"], "output folder"),
        (["--host", "no.such.host.invalid", "--port", "0"], "cannot listen"),
    ],
)
def test_bad_usage_is_one_line(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=words) as caught:
        main(["--port", "0", *arguments])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["text", "tiny"])
def test_a_named_file_that_is_no_picture_is_one_line(tmp_path, kind):
    path = tmp_path / "p.png"
    if kind == "text":
        path.write_text("no picture")
    else:
        Image.new("RGB", (1, 1)).save(path)
    with pytest.raises(ConfigError, match=r"p\.png: (not an image|too small)") as caught:
        main(["--port", "0", str(path)])
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(ConfigError, match="no pictures there"):
        main(["--port", "0", str(tmp_path)])


def test_serves_on_loopback_and_opens_the_browser_until_ctrl_c(output, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\necho $1 > {tmp_path}/part && mv {tmp_path}/part {tmp_path}/opened\n")
    browser.chmod(0o755)
    command = [sys.executable, "-u", "-m", "zoetrope.cli", "studio", output, "--port", "0", "--open"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "BROWSER": str(browser)},
    ) as server:
        try:
            line = server.stdout.readline()
            assert "http://127.0.0.1:" in line
            with urllib.request.urlopen(line.split()[2]) as page:
                assert b"Zoetrope studio" in page.read()
            deadline = time.monotonic() + 60
            while not (tmp_path / "opened").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert (tmp_path / "opened").read_text().strip() == line.split()[2]
        finally:
            server.send_signal(signal.SIGINT)
            deadline = time.monotonic() + 60
            while server.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            if server.poll() is None:
                os.kill(server.pid, signal.SIGKILL)
        assert server.returncode == 130
        assert server.stderr.read() == "zoetrope studio: stopped\n"
