"""Checkpoints, runs, indexes and weight files of tiny towers under the names of the published ones.

`TOWERS` are the small towers that open_clip builds for these names while a documented command runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoetrope import cli

if TYPE_CHECKING:
    from documented.pictures import Maker
    from documented.place import Place

SHAPE = {"layers": 1, "width": 64}
VISION = {**SHAPE, "head_width": 64, "patch_size": 16, "image_size": 32}
CLIP: dict[str, Any] = {"embed_dim": 64, "vision_cfg": VISION, "text_cfg": {**SHAPE, "heads": 1}}
SIGLIP_TEXT = {
    **{"width": 32, "heads": 2, "layers": 1, "context_length": 64, "vocab_size": 8},
    **{"hf_tokenizer_name": "someone/siglip", "tokenizer_kwargs": {"clean": "canonicalize"}},
    **{"no_causal_mask": True, "proj_bias": True, "pool_type": "last"},
}
SIGLIP = {
    **{"embed_dim": 32, "init_logit_bias": -10, "custom_text": True},
    "vision_cfg": {"layers": 1, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 32},
    "text_cfg": SIGLIP_TEXT,
}
TOWERS = {
    "ViT-B-32": CLIP,
    "ViT-B-32-quickgelu": {**CLIP, "quick_gelu": True},
    "ViT-B-16-SigLIP": SIGLIP,
}
RECIPE = {"clip": "ViT-B-32-quickgelu", "temporal_layers": 4, "centerK": 5}


def _checkpoint(name: str, **changes: Any) -> Maker:
    def make(place: Place, here: Path) -> None:
        import torch

        from trainer.model.clip2video import CLIP2Video
        from trainer.model.config import ModelConfig
        from trainer.model.io import save_model

        torch.manual_seed(0)
        save_model(CLIP2Video(ModelConfig.make({**RECIPE, **changes})), here / name)

    return make


def _run(name: str, *fields: str) -> Maker:
    """A run of two steps with evaluations, so with `best` too."""

    def make(place: Place, here: Path) -> None:
        shards = place.made("msrvtt/train")
        data = [f"data.shards={shards}", f"data.eval_shards={shards}", f"output={here / name}"]
        few = ["max_steps=2", "eval_every=1", "save_every=1", "log.every=1", "data.workers=0"]
        size = ["global_batch_size=2", "device=cpu", "model.clip=ViT-B-32-quickgelu"]
        assert cli.main(["train", *data, *few, *size, *fields]) == 0

    return make


def _index(place: Place, here: Path) -> None:
    """An index whose model re-ranks."""
    model, shards = place.made("runs/interaction/last"), place.made("clips")
    assert cli.main(["index", str(model), str(shards), "-o", str(here / "index")]) == 0


def _clip_file(place: Place, here: Path) -> None:
    import open_clip
    import torch

    torch.save(open_clip.model.CLIP(**CLIP, quick_gelu=True).state_dict(), here / "ViT-B-32.pt")


def _siglip_file(place: Place, here: Path) -> None:
    import open_clip
    from safetensors.torch import save_file

    settings = {name: value for name, value in SIGLIP.items() if name != "custom_text"}
    state = open_clip.model.CustomTextCLIP(**settings).state_dict()
    save_file(state, here / "siglip.safetensors")


def _siglip_tokens(place: Place, here: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = here / "tokens" / "siglip"
    folder.mkdir(parents=True)
    words = ["<unk>", "</s>", "a", "cup", "of", "coffee", "cat", "dog"]
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": {"content": "</s>"}}))


def _official(name: str) -> Maker:
    def make(place: Place, here: Path) -> None:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        model = str(place.made("runs/finetune/best"))
        partial = here / "exported.pt"
        assert cli.main(["export", model, "--to", "clip2video", "-o", str(partial)]) == 0
        partial.rename(here / name)

    return make


WITH_HEAD = {"interaction": {"enabled": True}}
CHECKPOINTS = {
    **{f"runs/finetune_{name}/best": {} for name in ("msrvtt", "msrvtt_full", "msvd", "vatex")},
    **{f"runs/finetune_{name}/best": {} for name in ("didemo", "lsmdc", "activitynet", "ssv2")},
    **{"runs/pretrain/last": {}, "runs/coco/last": {}, "runs/finetune/best": {}},
    **{"runs/seven_centres/last": {"centerK": 7}},
    **{f"runs/{name}": WITH_HEAD for name in ("interaction/last", "pretrain_interaction/last")},
    "runs/finetune_msrvtt_interaction/best": WITH_HEAD,
}
MODELS: dict[str, Maker] = {
    **{name: _checkpoint(name, **changes) for name, changes in CHECKPOINTS.items()},
    "runs/x": _run("runs/x"),
    "runs/averaged": _run("runs/averaged", "optim.ema=0.9"),
    "all_runs": _run("all_runs/x"),
    "index": _index,
    "ViT-B-32.pt": _clip_file,
    "siglip.safetensors": _siglip_file,
    "tokens/siglip": _siglip_tokens,
    "CLIP2Video_MSRVTT9k/pytorch_model.bin.2": _official("CLIP2Video_MSRVTT9k/pytorch_model.bin.2"),
    "FILE": _official("FILE"),
}
