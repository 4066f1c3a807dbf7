"""Every variant and every named output of the official code, and strict loading."""

import logging
import subprocess
import sys

import clip2video_reference as reference
import numpy as np
import pytest
import torch

import trainer
from schemas.errors import ConfigError
from trainer.objective.losses import Batch, dual_loss

LOGITS, UNIT = 1e-4, 1e-5


def close(got, name, tolerance):
    wanted = reference.outputs()[name]
    assert tuple(got.shape) == wanted.shape, name
    np.testing.assert_allclose(got.double().numpy(), wanted, rtol=0, atol=tolerance, err_msg=name)


@pytest.fixture(scope="module")
def main():
    return trainer.load_official(reference.state_dict())


@pytest.mark.parametrize("variant", reference.VARIANTS)
@torch.no_grad()
def test_every_variant_agrees_with_the_official_code(variant):
    model = trainer.load_official(reference.state_dict(), **reference.VARIANTS[variant])
    given = reference.tensors()
    text = model.encode_text(given["token_ids"], given["token_mask"])
    frames = model.embed_frames(given["frames"])
    video = model.encode_embeddings(frames, given["frame_mask"])
    every_frame = model.encode_embeddings(frames, torch.ones_like(given["frame_mask"]))
    global_, tab = model.logit_parts(text, video)
    got = {
        "logits": (model.logits(text, video), LOGITS),
        "global_logits": (global_, LOGITS),
        "global_cosine": (text.global_ @ video.global_.T, UNIT),
        "text_global_norm": (text.global_, UNIT),
        "video_global_norm": (video.global_, UNIT),
        "logits_all_frames_valid": (model.logits(text, every_frame), LOGITS),
    }
    if tab is not None:
        got |= {
            "tab_logits": (tab, LOGITS),
            "tab_cosine": (text.tab @ video.tab.T, UNIT),
            "tab_text": (text.tab, UNIT),
            "tab_video": (video.tab, UNIT),
        }
    named = {name.partition("/")[2] for name in reference.outputs() if name.startswith(f"{variant}/")}
    assert named - set(got) == set() or variant == "main"
    for name, (value, tolerance) in got.items():
        close(value, f"{variant}/{name}", tolerance)


@torch.no_grad()
def test_every_intermediate_of_the_paper_model_agrees(main):
    given = reference.tensors()
    mask = given["frame_mask"].float()
    seen = {}

    def record(name):
        def hook(_, inputs, out):
            seen.setdefault(name, (inputs, out))  # the global path runs first

        return hook

    hooks = [
        module.register_forward_hook(record(name))
        for name, module in {
            "transformerClip": main.sequence,
            "frame2t": main.tdb.attention,
            "actionClip": main.tab.actions,
            "tdb": main.tdb,
        }.items()
    ]
    from trainer.model.towers import encode_tokens

    pooled, hidden = encode_tokens(main.clip, given["token_ids"])
    frames = main.embed_frames(given["frames"])
    main.encode_embeddings(frames, mask)
    positions = main.frame_positions.weight
    half = main.tdb(frames[:, ::2], mask[:, ::2], positions[:6])
    tokens, token_mask = main.tab_tokens(frames, mask)
    for hook in hooks:
        hook.remove()

    close(frames, "main/frame_embeddings", LOGITS)
    close(pooled, "main/text_pooled", LOGITS)
    close(hidden, "main/text_hidden", LOGITS)
    for part, sequence in (("global", seen["tdb"][1]), ("tab", half)):
        close(sequence.tokens_NSD, f"main/tdb_{part}_seq", LOGITS)
        close(sequence.positions_SD.expand(4, -1, -1), f"main/tdb_{part}_pos", UNIT)
        close(sequence.types_SD.expand(4, -1, -1), f"main/tdb_{part}_type", UNIT)
        close(sequence.mask_NS, f"main/tdb_{part}_mask", 0)
    close(seen["transformerClip"][1], "main/transformerClip_out", LOGITS)
    close(seen["frame2t"][1], "main/frame2t_global_out", LOGITS)
    close(seen["actionClip"][1], "main/actionClip_out", LOGITS)
    additive = ((1 - seen["actionClip"][0][1]) * -1e6)[:, None, :].expand(-1, 11, -1)
    close(additive, "main/actionClip_mask", 0)
    close(tokens, "main/tab_video_tokens", LOGITS)
    close(token_mask[:, :, None, None], "main/tab_video_token_mask", 0)


@torch.no_grad()
def test_training_losses_agree(main):
    given = reference.tensors()
    text = main.encode_text(given["token_ids"], given["token_mask"])
    video = main.encode_video(given["frames"], torch.ones_like(given["frame_mask"]))
    loss = dual_loss(
        Batch(text, video, torch.arange(4)), scale=main.clip.logit_scale.exp(), center_weight=0.5
    )
    close(loss.total, "main/train_loss_all_frames_valid", LOGITS)
    close(loss.tab, "main/train_tab_loss_all_frames_valid", LOGITS)


@torch.no_grad()
def test_one_call_gives_the_logits_and_arrays_do_as_well(main):
    close(main.similarity(**reference.tensors()), "main/logits", LOGITS)
    from_arrays = trainer.load_official(reference.weights(1)).state_dict()
    assert all(torch.equal(value, from_arrays[name]) for name, value in main.state_dict().items())


def test_a_file_is_read_and_half_precision_and_wrappers_are_accepted(tmp_path):
    state = {f"module.{key}": value.half() for key, value in reference.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "pytorch_model.bin.2")
    model = trainer.load_official(tmp_path / "pytorch_model.bin.2")
    assert model.clip.logit_scale.dtype == torch.float32
    with torch.no_grad():  # the weights are exact in float16
        close(model.similarity(**reference.tensors()), "main/logits", LOGITS)


def test_centres_are_read_from_the_weights_and_a_wrong_number_is_an_error():
    state = reference.state_dict()
    state["weight_center"], state["emb_center"] = torch.zeros(7, 512), torch.zeros(7, 512)
    assert trainer.load_official(state).config.centerK == 7
    with pytest.raises(ConfigError, match=r"centerK = 5, but weight_center holds 7"):
        trainer.load_official(state, centerK=5)


def test_missing_unexpected_and_mismatched_keys_are_all_named():
    state = reference.state_dict()
    del state["type_position_embeddings.weight"]
    state["surprise.weight"] = torch.zeros(1)
    state["trans_layernorm.bias"] = torch.zeros(3)
    with pytest.raises(ConfigError) as error:
        trainer.load_official(state)
    for part in (
        "missing keys: type_position_embeddings.weight",
        "unexpected keys: surprise.weight",
        "trans_layernorm.bias [3]",
    ):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_that_the_variant_leaves_out_are_told(caplog):
    with caplog.at_level(logging.WARNING):
        trainer.load_official(reference.state_dict(), center_type="")
    assert "weight_center" in caplog.text
    assert "actionClip" in caplog.text


def test_what_is_no_clip2video_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"missing key clip\.visual\.conv1\.weight"):
        trainer.load_official({"a": torch.zeros(1)})
    with pytest.raises(ConfigError, match="no such file"):
        trainer.load_official(tmp_path / "nothing.bin")


def test_a_pickle_with_code_is_not_run(tmp_path):
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (ran.touch, ())

    torch.save({"weight": Evil()}, tmp_path / "evil.bin")
    with pytest.raises(ConfigError, match=r"evil\.bin: cannot be read as plain weights"):
        trainer.load_official(tmp_path / "evil.bin")
    assert not ran.exists()


def test_the_package_offers_it_without_loading_torch():
    code = "import sys, trainer; assert 'torch' not in sys.modules; assert 'load_official' in dir(trainer)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert callable(trainer.load_official)
    with pytest.raises(AttributeError, match="no attribute 'load_oficial'"):
        trainer.load_oficial  # noqa: B018 the look-up is the test
