"""A user's classifier, as a function and as an ONNX file, and CLIP's similarity by weights on disk."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from skimage import data

from pipelines.config import AnimateConfig
from pipelines.curation.config import check_filters
from pipelines.curation.filters import Filters, load_filters
from pipelines.curation.models import Classifier, ClipSimilarity
from schemas.errors import ConfigError, JobError
from schemas.records import Reference, SampleError
from transforms.curation.rule import Look
from transforms.settings import ClipSettings

PICTURE = cv2.imencode(".png", data.coffee()[..., ::-1])[1].tobytes()
REFERENCE = Reference("k", ("a cup of coffee",), "test")


def redness(image_HWC):
    return image_HWC[..., 0].mean() / 255


class Shape:
    """A class of one's own; its score is the shorter side."""

    def __call__(self, image_HWC):
        assert image_HWC.dtype == np.uint8
        return min(image_HWC.shape[:2])


HERE = "tests.pipelines.curation.test_models"


def scores_of(*rules) -> dict[str, float]:
    scores: dict[str, float] = {}
    filters: Filters = load_filters(rules, ClipSettings())
    filters.check_picture(REFERENCE, PICTURE, scores)
    return scores


def test_a_function_of_the_picture_is_a_filter_with_a_score():
    red = data.coffee()[..., 0].mean() / 255
    rules = (
        Classifier(function=f"{HERE}:redness", max=1.0, as_label="red"),
        Classifier(function=f"{HERE}:Shape", min=1),
    )
    assert scores_of(*rules) == {"red": pytest.approx(red, abs=1e-5), "classifier": 400}
    with pytest.raises(SampleError, match=r"red: 0\.\d+, over max=0.1"):
        scores_of(Classifier(function=f"{HERE}:redness", max=0.1, as_label="red"))


def field(number: int, value: bytes | int) -> bytes:
    """A field of a protocol buffer."""

    def varint(value: int) -> bytes:
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*out, value])

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def mean_network(size: int) -> bytes:
    """An ONNX file of one node, GlobalAveragePool over [1,3,size,size] -> [1,3,1,1]."""

    def tensor(name: bytes, *shape: int) -> bytes:
        dims = b"".join(field(1, field(1, side)) for side in shape)
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))

    node = field(1, b"x") + field(2, b"y") + field(3, b"pool") + field(4, b"GlobalAveragePool")
    graph = field(1, node) + field(2, b"g")
    graph += field(11, tensor(b"x", 1, 3, size, size)) + field(12, tensor(b"y", 1, 3, 1, 1))
    return field(1, 7) + field(7, graph) + field(8, field(2, 13))


def test_an_onnx_file_is_run_by_opencv(tmp_path):
    (tmp_path / "mean.onnx").write_bytes(mean_network(32))
    settings = {
        "file": str(tmp_path / "mean.onnx"),
        "size": 32,
        "mean": (0, 0, 0),
        "std": (1, 1, 1),
        "max": 1,
    }
    (first,) = scores_of(Classifier(output=0, **settings)).values()
    assert first == pytest.approx(data.coffee()[..., 0].mean() / 255, abs=0.01)
    (blue,) = scores_of(Classifier(activation="sigmoid", **settings)).values()
    assert blue == pytest.approx(1 / (1 + np.exp(-data.coffee()[..., 2].mean() / 255)), abs=0.01)
    (tmp_path / "mean.onnx").write_bytes(b"no network")
    with pytest.raises(JobError, match="OpenCV cannot run it"):
        scores_of(Classifier(**settings))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max": 1}, "give either function, as module:name, or file"),
        ({"file": "a.onnx"}, "give min, max or both"),
        ({"file": "a.pt", "max": 1}, "no ONNX file: write one with torch.onnx.export"),
        ({"file": "a.onnx", "max": 1, "std": [1, 0, 1]}, "each must be > 0"),
        ({"file": "nowhere.onnx", "max": 1}, "nowhere.onnx: no such file"),
        ({"function": "nowhere:at", "max": 1}, "nowhere:at cannot be imported"),
    ],
)
def test_a_mistake_in_a_classifier_is_one_line(fields, message):
    values = {"source": {"kind": "folder", "uri": "a"}, "output": "b"}
    with pytest.raises(ConfigError, match=message):
        check_filters(AnimateConfig.make({**values, "filters": [{"name": "classifier", **fields}]}).filters)


def test_the_similarity_is_that_of_open_clip(tmp_path):
    open_clip, torch = pytest.importorskip("open_clip"), pytest.importorskip("torch")
    tower = {"layers": 1, "width": 32}
    config = {
        "embed_dim": 16,
        "vision_cfg": {**tower, "image_size": 32, "patch_size": 16, "head_width": 16},
        "text_cfg": {**tower, "context_length": 77, "vocab_size": 49408, "heads": 2},
    }
    (tmp_path / "tiny-curation.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path)
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-curation")
    weights = tmp_path / "tiny.pt"
    torch.save(model.state_dict(), weights)
    rule = ClipSimilarity(model="tiny-curation", weights=str(weights), min=-1)
    rule.check()
    (score,) = scores_of(rule).values()
    look = Look("a cup of coffee", (400, 600), data.coffee())
    assert rule.loaded().score(look) == pytest.approx(score, abs=1e-5)
    tokens = open_clip.get_tokenizer("tiny-curation")(["a cup of coffee"])
    from PIL import Image

    prepare = open_clip.image_transform(32, is_train=False)
    with torch.inference_mode():
        seen = model.eval().encode_image(prepare(Image.fromarray(data.coffee()))[None])
        read = model.encode_text(tokens)
    assert score == pytest.approx(float(torch.cosine_similarity(seen, read)), abs=1e-4)
    weights.write_bytes(b"no weights")
    with pytest.raises(JobError, match="is no file of tiny-curation"):
        rule.loaded()
    with pytest.raises(ConfigError, match="no such local file"):
        ClipSimilarity(weights="nowhere.pt").check()
