"""The last table of benchmarks/gpu.sh: what is wanted, what was measured, and whether that is enough."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import gpu_table


def test_every_number_is_compared_and_what_is_absent_is_said(tmp_path: Path, capsys) -> None:
    rendering = {
        "picture": [384, 512],
        "host_ms": {"median": 2.5},
        "device_ms": {"median": 7.0},
        "device_ms_deterministic": {"median": 7.1},
        "largest_difference": 1,
        "triton": {"device_ms": {"median": 0.7}},
    }
    counts = {"8": {"operators": 121}, "64": {"operators": 121}}
    results = {"results": [rendering], "counted": {"384x512": counts}}
    (tmp_path / "render_gpu.json").write_text(json.dumps(results))
    rates = {"cpu": 1400, "cuda": 3100, "auto": 1400}
    cases = {f"frames, {name}": {"clips_per_s": rate, "said": "why"} for name, rate in rates.items()}
    (tmp_path / "job_gpu.json").write_text(json.dumps({"results": cases}))
    run = {"samples_per_s": {"median": 1100}, "mfu": {"median": 0.36}, "shm_mb": 0}
    run |= {"prepare": {"median": 0.02}, "data_wait": {"median": 0.02}}
    models = {"ViT-B-32-quickgelu compiled": {"training": [run], "plain_loop": {"ours_over_it": 1.6}}}
    (tmp_path / "training.json").write_text(json.dumps({"models": models}))
    (tmp_path / "gpu.log").write_text("== tests\n......\n14 passed, 2 skipped in 61.20s (0:01:01)\n")

    assert gpu_table.main([str(tmp_path)]) == 0
    assert "ViT-B/16, MFU                      >= 0.45          not measured" in capsys.readouterr().out
    met = {line.name: line.met for line in gpu_table.lines(tmp_path)}
    assert {name: answer for name, answer in met.items() if answer is not None} == {
        "tests marked gpu": True,
        "128 stills of 512x384, device": False,
        "128 stills of 512x384, host": True,
        "deterministic over loose, device": True,
        "largest difference from the CPU": True,
        "operators for 64 stills": True,
        "operators for 64 over 8 stills": True,
        "job with the GPU": True,
        "job with the GPU over without": True,
        "job with device=auto over the best": False,
        "ViT-B/32, batch 128": True,
        "ViT-B/32, MFU": True,
        "ViT-B/32, prepare and wait": False,
        "ViT-B/32 over the plain loop": True,
        "ViT-B/32, /dev/shm": True,
    }
    shown = {line.name: line.measured for line in gpu_table.lines(tmp_path)}
    assert shown["Triton, 384 rows"] == "10.0 x as fast as kornia"


def test_tests_that_failed_or_were_all_left_out_are_not_met(tmp_path: Path) -> None:
    failed, passed = "1 failed, 13 passed in 60.1s", "3 passed, 9 deselected in 41.0s"
    closings = (
        (passed, True),
        (f"{passed}\n== tests_compiled\n{failed}", False),
        (f"{failed}\n== done\n== tests_compiled\n{passed}\n== done\n== tests\n{passed}", True),  # run again
        ("14 skipped in 3.1s", False),
        ("", None),
    )
    for closing, met in closings:
        (tmp_path / "gpu.log").write_text(f"== tests\n{closing}\n")
        assert gpu_table.lines(tmp_path)[0].met is met


def test_without_any_result_nothing_is_met(tmp_path: Path) -> None:
    assert {line.met for line in gpu_table.lines(tmp_path)} == {None}
