"""Towers that read captions with a tokenizer file: tokens, errors, training, checkpoints, search."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import make_shards as shards_of
import open_clip
import pytest
import torch
from tiny_run import MODEL, tiny_config
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from schemas.errors import ConfigError
from trainer.export.export import export
from trainer.fit.train import train
from trainer.index.build import index
from trainer.index.config import IndexSettings
from trainer.index.search import open_index
from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig
from trainer.model.io import load_model
from trainer.model.tokenizer import make_tokenizer
from trainer.model.towers import encode_tokens
from trainer.retrieval.config import EvaluateConfig
from trainer.retrieval.evaluate import evaluate

WORDS = ["<unk>", "</s>", "[SEP]", "a", "red", "green", "blue", "thing", "moves", "left"]
LENGTH = 8
TOWERS = {
    "embed_dim": 64,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {"image_size": 32, "timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none"},
    "text_cfg": {
        "context_length": LENGTH,
        "vocab_size": len(WORDS),
        "hf_tokenizer_name": "someone/tiny-siglip",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 64,
        "heads": 2,
        "layers": 2,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    },
}
VARIANT = {name: MODEL[name] for name in ("max_frames", "temporal_layers")}


def library(words: list[str] = WORDS) -> Tokenizer:
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return made


@pytest.fixture(scope="module", autouse=True)
def towers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """open_clip knows two towers like SigLIP's and CLIPA's, very small."""
    folder = tmp_path_factory.mktemp("towers")
    (folder / "tiny-siglip.json").write_text(json.dumps(TOWERS))
    stripped = {**TOWERS["text_cfg"], "tokenizer_kwargs": {"strip_sep_token": True}}
    (folder / "tiny-clipa.json").write_text(json.dumps({**TOWERS, "text_cfg": stripped}))
    open_clip.add_model_config(folder)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A tokenizer's folder, as its publishers lay it out."""
    folder = tmp_path / "tokens"
    folder.mkdir()
    library().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": {"content": "</s>"}}))
    return folder


def config(tokens: Path, **changes) -> ModelConfig:
    values = {"clip": "tiny-siglip", "tokenizer": str(tokens), "max_words": LENGTH, **VARIANT}
    return ModelConfig.make({**values, **changes})


def test_captions_are_cleaned_cut_and_padded_and_the_mask_ends_where_padding_begins(tokens: Path) -> None:
    ids, mask = make_tokenizer(config(tokens))(["A Red, thing!", "a " * 20, "strange"])
    assert ids.tolist() == [[3, 4, 7, 1, 1, 1, 1, 1], [3] * 7 + [1], [0, 1, 1, 1, 1, 1, 1, 1]]
    assert mask.tolist() == [[1, 1, 1, 1, 0, 0, 0, 0], [1] * 8, [1, 1, 0, 0, 0, 0, 0, 0]]
    assert [tuple(each.shape) for each in make_tokenizer(config(tokens))([])] == [(0, LENGTH)] * 2


def test_a_separator_becomes_0_where_the_towers_were_trained_so(tokens: Path) -> None:
    with_separator = library()
    template = processors.TemplateProcessing(single="$A [SEP]", special_tokens=[("[SEP]", 2)])
    with_separator.post_processor = template
    with_separator.save(str(tokens / "tokenizer.json"))
    ids, mask = make_tokenizer(config(tokens / "tokenizer.json", clip="tiny-clipa"))(["a thing"])
    assert ids.tolist() == [[3, 7, 0, 1, 1, 1, 1, 1]]
    assert mask.tolist() == [[1, 1, 0, 0, 0, 0, 0, 0]]


def test_without_a_tokenizer_the_words_are_clips() -> None:
    ids, _ = make_tokenizer(ModelConfig.make({**MODEL, "max_words": 6}))(["a dog"])
    assert ids.tolist() == [[49406, 320, 1929, 49407, 0, 0]]


@torch.no_grad()
def test_pooled_text_is_open_clips(tokens: Path) -> None:
    model = CLIP2Video(config(tokens)).eval()
    ids, mask = model.tokenize(["a red thing", "left"])
    torch.testing.assert_close(encode_tokens(model.clip, ids).pooled_ND, model.clip.encode_text(ids))
    assert model.clip.logit_bias is None
    other = model.encode_text(ids, mask).tab
    first_word = mask.clone()
    first_word[:, 1:] = 0
    assert not torch.equal(model.encode_text(ids, first_word).tab, torch.zeros_like(other))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer": "nowhere"}, "nowhere/tokenizer.json does not exist; .* nothing is downloaded"),
        ({"tokenizer": None}, "someone/tiny-siglip, whose files open_clip does not carry; give a folder"),
        ({"clip": "ViT-B-32"}, "model.tokenizer has no effect with clip = 'ViT-B-32'"),
        ({"clip": MODEL["clip"]}, "model.tokenizer has no effect"),
        ({"max_words": 7}, "padded to 8 tokens; set model.max_words=8"),
    ],
)
def test_what_does_not_fit_is_one_line(tokens: Path, changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        CLIP2Video(config(tokens, **changes))
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_tokenizer_or_of_another_tower_is_one_line(tokens: Path) -> None:
    (tokens / "tokenizer_config.json").unlink()
    with pytest.raises(ConfigError, match=r"names no padding token; give its whole folder"):
        make_tokenizer(config(tokens))
    library([*WORDS, "more"]).save(str(tokens / "tokenizer.json"))
    with pytest.raises(ConfigError, match="has ids up to 10, and the text tower of tiny-siglip embeds 10"):
        make_tokenizer(config(tokens))
    for content in (b"{", b"\xff\xfe", b"[1]"):
        (tokens / "tokenizer.json").write_bytes(content)
        with pytest.raises(ConfigError, match=r"tokenizer.json (is no tokenizer|cannot be read)"):
            make_tokenizer(config(tokens))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"unk_token": "gone"}}, "fails on a caption: WordLevel error: .*; fetch it again"),
        (
            {"post_processor": {"special_tokens": {"</s>": {"ids": [2**31]}}}},
            "gives ids from 0 to 2147483648, .* 10;",
        ),
        ({"padding": {"pad_id": 2**32 - 1}}, "gives ids from 0 to 4294967295, and .* embeds 10; fetch"),
    ],
)
def test_a_damaged_tokenizer_is_one_line_before_it_reads_captions(tokens: Path, change, message) -> None:
    padded = library()
    padded.enable_padding(length=LENGTH, pad_id=1, pad_token="</s>")
    values = json.loads(padded.to_str())
    merge(values, change)
    (tokens / "tokenizer.json").write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=f"model.tokenizer: .*tokens {message}") as error:
        make_tokenizer(config(tokens))
    assert "\n" not in str(error.value)


def merge(values: dict, change: dict) -> None:
    for name, value in change.items():
        if isinstance(value, dict):
            merge(values[name], value)
        else:
            values[name] = value


@pytest.mark.parametrize("text", ["[" * 100_000, '{"pad_token": ' + "9" * 5000 + "}"])
def test_a_damaged_file_beside_a_tokenizer_is_left_out(tokens: Path, text: str) -> None:
    (tokens / "tokenizer_config.json").write_text(text)
    with pytest.raises(ConfigError, match="names no padding token"):
        make_tokenizer(config(tokens))


def test_without_the_library_one_line_names_it(tokens: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ConfigError, match="needs tokenizers: pip install tokenizers"):
        make_tokenizer(config(tokens))


def test_it_trains_and_a_checkpoint_carries_its_tokenizer_to_evaluation_and_search(
    tokens: Path, tmp_path: Path
) -> None:
    stills = shards_of.write_shards(tmp_path / "stills", 1, 8)
    model = {"clip": "tiny-siglip", "tokenizer": str(tokens), "max_words": LENGTH}
    settings = {"model": model, "max_steps": 2, "data": {"eval_shards": str(stills), "workers": 1}}
    result = train(tiny_config(stills, tmp_path / "run", **settings))
    assert result.metrics["eval.videos"] == 8

    trained = (tmp_path / "run" / "last").resolve()
    weights = load_model(trained).state_dict()
    moved = tmp_path / "elsewhere"
    shutil.move(trained, moved)
    shutil.rmtree(tokens)
    again = load_model(moved)
    assert again.config.tokenizer == str(moved / "tokenizer.json")
    assert again.tokenize(["a red thing"])[0].tolist() == [[3, 4, 7, 1, 1, 1, 1, 1]]
    assert all(torch.equal(weight, weights[name]) for name, weight in again.state_dict().items())

    values = {"checkpoint": str(moved), "data": {"shards": str(stills), "workers": 0}, "device": "cpu"}
    found = evaluate(EvaluateConfig.make(values))
    assert found.coarse["t2v"]["R1"] == result.metrics["t2v.R1"]
    index(str(moved), [str(stills)], str(tmp_path / "index"), IndexSettings(device="cpu"))
    hits = open_index(str(tmp_path / "index"), device="cpu").search("a red thing", top=3)
    assert len(hits) == 3
    with pytest.raises(ConfigError, match="reads captions with a tokenizer file"):
        export(moved, "open_clip", tmp_path / "exported")
