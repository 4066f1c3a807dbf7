"""What a checkpoint holds, that it is whole, and which are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_run import tiny_config

from schemas.errors import ConfigError
from trainer.fit.checkpoint import (
    Best,
    RankState,
    RunState,
    find_last,
    load_state,
    random_state,
    save_checkpoint,
    saved_config,
)
from trainer.fit.config import TrainConfig
from trainer.fit.initialise import make_model
from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig
from trainer.model.io import load_model, save_model
from trainer.model.towers import reading
from trainer.optimise.optim import make_optimizer, set_lr


def trained(config: TrainConfig, steps: int = 2) -> tuple[CLIP2Video, torch.optim.Optimizer]:
    """A model and optimizer with moments, without data."""
    torch.manual_seed(1)
    model = CLIP2Video(config.model)
    optimizer = make_optimizer(model, config.optim)
    set_lr(optimizer, 1.0)
    for _ in range(steps):
        sum((p * torch.randn_like(p)).sum() for p in model.parameters()).backward()  # type: ignore[union-attr]
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer


def state(step: int, best: Best | None = None) -> RunState:
    return RunState(
        step,
        [RankState({"batches": step, "cursors": [], "made_for": {}}, random_state(torch.device("cpu")))],
        best,
    )


def test_everything_comes_back(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, tmp_path / "run")
    model, optimizer = trained(config)
    path = save_checkpoint(config, model, optimizer, state(7, Best(3, 41.5)), {"loss": 1.5})
    drawn = torch.rand(3)
    other, fresh = trained(config, steps=1)
    back = load_state(path, other, fresh)
    assert (back.step, back.best, back.ranks[0].loader["batches"]) == (7, Best(3, 41.5), 7)
    for (name, one), (_, two) in zip(model.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(one, two), name
        for key in ("exp_avg", "exp_avg_sq", "step"):
            assert torch.equal(optimizer.state[one][key], fresh.state[two][key]), (name, key)
    torch.set_rng_state(back.ranks[0].random["cpu"])
    assert torch.equal(torch.rand(3), drawn)
    assert TrainConfig.make(saved_config(path)) == config


def test_the_files_are_plain_data(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, tmp_path / "run")
    path = Path(save_checkpoint(config, *trained(config), state(7), {"loss": 1.5, "mfu": None}))
    files = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    assert files == [
        "config.json",
        "metrics.json",
        "model.safetensors",
        "state/run.json",
        "state/tensors.safetensors",
        "versions.json",
    ]
    assert json.loads((path / "metrics.json").read_text()) == {"step": 7, "loss": 1.5, "mfu": None}
    from importlib.metadata import version

    assert json.loads((path / "versions.json").read_text())["torch"] == version("torch")
    assert load_model(tmp_path / "run" / "last").config == config.model


def test_newest_and_best_are_kept_and_pointed_to(tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = tiny_config(tmp_path, run, keep=2)
    model, optimizer = trained(config)
    best = Best(2, 50.0)
    for step in range(1, 6):
        save_checkpoint(config, model, optimizer, state(step, best if step >= 2 else None), {})
    assert sorted(p.name for p in run.iterdir() if not p.is_symlink()) == [
        "step_00000002",
        "step_00000004",
        "step_00000005",
    ]
    assert (run / "last").resolve().name == "step_00000005"
    assert (run / "best").resolve().name == "step_00000002"
    assert find_last(str(run)) == str(run / "step_00000005")


def test_a_checkpoint_that_was_cut_off_is_never_found(tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = tiny_config(tmp_path, run)
    model, optimizer = trained(config)
    save_checkpoint(config, model, optimizer, state(4), {})
    (run / ".step_00000008.partial").mkdir()
    (run / ".step_00000008.partial" / "model.safetensors").write_bytes(b"half")
    assert find_last(str(run)) == str(run / "step_00000004")
    save_checkpoint(config, model, optimizer, state(8), {})
    assert load_state(str(run / "step_00000008"), model, optimizer).step == 8
    assert not list(run.glob(".*"))


def test_a_damaged_checkpoint_is_one_line(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, tmp_path / "run")
    model, optimizer = trained(config)
    path = Path(save_checkpoint(config, model, optimizer, state(4), {}))
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="step_00000004 cannot be used") as error:
        load_state(str(path), model, optimizer)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "run",
    [[], {}, {"step": -1, "loaders": []}, {"step": "7", "loaders": []}, {"step": 7, "loaders": 5},
     {"step": 7, "loaders": [[]]}, {"step": 7, "loaders": [], "best": {"stop": 1}}, {"step": 7, "loaders": [], "best": 5}],
)  # fmt: skip
def test_a_damaged_state_of_a_run_is_one_line(tmp_path: Path, run) -> None:
    config = tiny_config(tmp_path, tmp_path / "run")
    model, optimizer = trained(config)
    path = save_checkpoint(config, model, optimizer, state(7), {})
    (Path(path) / "state" / "run.json").write_text(json.dumps(run))
    with pytest.raises(ConfigError, match=r"resume: .*step_00000007 cannot be used") as caught:
        load_state(path, model, optimizer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [None, torch.zeros(7, dtype=torch.uint8), torch.zeros(5056)])
def test_a_damaged_random_state_is_one_line(tmp_path: Path, damage) -> None:
    config = tiny_config(tmp_path, tmp_path / "run")
    model, optimizer = trained(config)
    path = save_checkpoint(config, model, optimizer, state(7), {})
    file = Path(path) / "state" / "tensors.safetensors"
    tensors = load_file(file)
    del tensors["random.0.cpu"]
    if damage is not None:
        tensors["random.0.cpu"] = damage
    save_file(tensors, file)
    with pytest.raises(ConfigError, match="the random state of rank 0 is missing or of another size"):
        load_state(path, model, optimizer)


def test_init_takes_weights_and_starts_new_modules(tmp_path: Path) -> None:
    small = tiny_config(tmp_path, tmp_path, model={"sim_type": "meanP", "center_type": ""})
    full = tiny_config(tmp_path, tmp_path, model={"interaction": {"enabled": True, "depth": 1}})
    torch.manual_seed(1)
    source = CLIP2Video(small.model)
    save_model(source, tmp_path / "c")
    model, new = make_model(full.model, str(tmp_path / "c"))
    assert new[-1].endswith("started new: interaction, sequence, frame_positions, tdb, tab")
    assert any("model.sim_type was 'meanP'" in line and "and is 'seqTransf'" in line for line in new)
    for name, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    own = model.state_dict()
    assert torch.equal(
        own["frame_positions.weight"], own["clip.positional_embedding"]
    )  # started from these towers
    again, none = make_model(small.model, str(tmp_path / "c"))
    assert none == []
    assert torch.equal(again.clip.visual.proj, source.clip.visual.proj)


def test_init_refuses_towers_that_would_be_misread_and_tells_of_what_else_is_different(
    tmp_path: Path,
) -> None:
    full = tiny_config(tmp_path, tmp_path)
    save_model(CLIP2Video(full.model), tmp_path / "c")
    clip = full.to_dict()["model"]["clip"]
    with pytest.raises(ConfigError, match="trained with quick_gelu True"):
        make_model(
            tiny_config(tmp_path, tmp_path, model={"clip": {**clip, "quick_gelu": False}}).model,
            str(tmp_path / "c"),
        )
    heads = {**clip, "text": {**clip["text"], "heads": 4}}
    with pytest.raises(ConfigError, match=r"trained with heads \(2, 2\).* have \(2, 4\)"):
        make_model(tiny_config(tmp_path, tmp_path, model={"clip": heads}).model, str(tmp_path / "c"))
    _, notes = make_model(
        tiny_config(tmp_path, tmp_path, model={"center_weight": 0.9}).model, str(tmp_path / "c")
    )
    assert notes == [f"model.center_weight was 0.5 in {tmp_path / 'c'} and is 0.9"]


def test_named_towers_are_compared_by_what_open_clip_says_of_them() -> None:
    exact, quick = (reading(ModelConfig(clip=name)) for name in ("ViT-B-32", "ViT-B-32-quickgelu"))
    assert (exact["quick_gelu"], quick["quick_gelu"]) == (False, True)
    assert exact["heads"] == quick["heads"] == (12, 8)
    other = reading(ModelConfig(clip="ViT-L-14", pretrained="laion2b_s32b_b82k"))
    assert other["mean and std"] != quick["mean and std"]


def test_init_names_what_does_not_fit(tmp_path: Path) -> None:
    full = tiny_config(tmp_path, tmp_path)
    save_model(CLIP2Video(full.model), tmp_path / "c")
    mean_pooling = tiny_config(tmp_path, tmp_path, model={"sim_type": "meanP", "center_type": ""})
    with pytest.raises(ConfigError, match=r"has, and the model has not, .*frame_positions.weight"):
        make_model(mean_pooling.model, str(tmp_path / "c"))
    seven = tiny_config(tmp_path, tmp_path, model={"centerK": 7})
    with pytest.raises(
        ConfigError, match=r"another shape for tab.weight_center \[5, 32\] instead of \[7, 32\]"
    ):
        make_model(seven.model, str(tmp_path / "c"))
    deeper = tiny_config(tmp_path, tmp_path, model={"temporal_layers": 2})
    with pytest.raises(ConfigError, match=r"lacks sequence.resblocks.1"):
        make_model(deeper.model, str(tmp_path / "c"))
    with pytest.raises(ConfigError, match=r"no model.safetensors; give a checkpoint folder"):
        make_model(full.model, str(tmp_path / "nowhere"))


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "ran",))

    config = tiny_config(tmp_path, tmp_path / "run")
    model, optimizer = trained(config)
    path = Path(save_checkpoint(config, model, optimizer, state(4), {}))
    for name in ("model.safetensors", "state/tensors.safetensors"):
        (path / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ConfigError):
        load_state(str(path), model, optimizer)
    with pytest.raises(ConfigError):
        make_model(config.model, str(path))
    assert not (tmp_path / "ran").exists()


def test_a_kill_before_the_link_to_the_best_loses_no_model(tmp_path: Path) -> None:
    """The folder of step 2 is whole and the best, and the link still names step 1; then the run is resumed."""
    config = tiny_config(tmp_path, tmp_path / "run", keep=1)
    model, optimizer = trained(config)
    save_checkpoint(config, model, optimizer, state(1, Best(1, 10.0)), {})
    best = Best(2, 20.0)
    save_checkpoint(config, model, optimizer, state(2, best), {})
    link = tmp_path / "run" / "best"
    link.unlink()
    link.symlink_to("step_00000001")
    for step in (3, 4):
        save_checkpoint(config, model, optimizer, state(step, best), {})
    assert link.resolve().name == "step_00000002"
    assert load_model(link).config == config.model
    assert sorted(path.name for path in (tmp_path / "run").glob("step_*")) == [
        "step_00000002",
        "step_00000004",
    ]
