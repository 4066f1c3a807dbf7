"""How two ranks end: one that cannot go on says its line and leaves at once; one that is asked to stop stops
both.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import make_shards as shards_of
import torch
import yaml
from tiny_run import tiny_values
from warm import Command

import trainer.fit.ahead


def run_out_of_memory() -> None:
    """Rank 1 runs out of memory at its second step; rank 0 goes on into a collective that never comes."""
    made, real = [], trainer.fit.ahead.to_device

    def full(*arguments: Any) -> Any:
        made.append(1)
        if os.environ["RANK"] == "1" and len(made) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(*arguments)

    trainer.fit.ahead.to_device = full


def start_two(folder: Path, before: Callable[[], None] | None = None, **changes: Any) -> list[Command]:
    stills = shards_of.write_shards(folder / "stills", 2, 8)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(tiny_values(stills, folder / "run", **changes)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    return [
        Command(
            ["train", "--config", str(config)],
            folder / f"{rank}.txt",
            environment={**meet, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            before=before,
        )
        for rank in range(2)
    ]


def test_out_of_memory_on_one_rank_ends_both_with_a_line_each(tmp_path: Path) -> None:
    processes = start_two(tmp_path, run_out_of_memory, max_steps=50)
    try:
        said = processes[1].communicate()
        peer_said = processes[0].communicate()
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [1, 1]
    assert (
        said.strip()
        .splitlines()[-1]
        .startswith("zoetrope train: out of memory at step 2 with 4 clips of 4 frames")
    )
    assert "zoetrope train: another rank has ended, and its line says why" in peer_said
    assert "Traceback" not in peer_said


def test_who_is_asked_to_stop_stops_all_at_the_same_step(tmp_path: Path) -> None:
    processes = start_two(tmp_path, max_steps=100_000)
    log, end = tmp_path / "run" / "metrics.jsonl", time.monotonic() + 120
    try:
        while not (log.exists() and log.read_text().count("\n") > 3) and time.monotonic() < end:
            time.sleep(0.02)
        processes[1].send_signal(signal.SIGTERM)
        said = [process.communicate() for process in processes]
    finally:
        for process in processes:
            process.kill()
    step = json.loads(log.read_text().splitlines()[-1])["step"]
    assert (tmp_path / "run" / "last").resolve().name == f"step_{step:08d}"
    assert f"stopped by SIGTERM after step {step}" in said[1]
    assert [process.returncode for process in processes] == [0, 128 + signal.SIGTERM]  # only one was asked
