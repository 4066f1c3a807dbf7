"""A rank that cannot go on says its line and leaves, whatever its peers wait for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import make_shards as shards_of
import yaml
from tiny_run import tiny_values

ROOT = Path(__file__).parents[2]
# Rank 1 runs out of memory at its second step; rank 0 goes on into a collective that never comes.
FAIL = """
import os, sys, torch
import trainer.loop, trainer.train
from trainer.distributed import leave
made, real = [], trainer.loop.to_device
def full(*arguments):
    made.append(1)
    if os.environ["RANK"] == "1" and len(made) > 1:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    return real(*arguments)
trainer.loop.to_device = full
leave(trainer.train.main(sys.argv[1:]))
"""


def test_out_of_memory_on_one_rank_ends_it_at_once(tmp_path: Path) -> None:
    stills = shards_of.write_shards(tmp_path / "stills", 2, 8)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(tiny_values(stills, tmp_path / "run", max_steps=50)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(2):
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", FAIL, "--config", str(config)]
        env = {**os.environ, **place, **meet}
        processes.append(subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True))
    try:
        said = processes[1].communicate(timeout=60)[1]
        peer_said = processes[0].communicate(timeout=60)[1]
    finally:
        for process in processes:
            process.kill()
    assert processes[1].returncode == 1
    assert said.strip().splitlines()[-1].startswith("zoetrope train: out of memory at step 2 with 4 clips of 4 frames")
    assert processes[0].returncode == 1
    assert "zoetrope train: another rank has ended, and its line says why" in peer_said
    assert "Traceback" not in peer_said
