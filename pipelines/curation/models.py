"""Rules whose score a network gives: a user's classifier, and the similarity of picture and caption by CLIP.

A worker loads a model once, when it starts. It scores one sample at a time on one thread, so a score does not
depend on the samples around it. Only `clip_similarity` imports torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import cv2
import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from schemas.errors import ConfigError, JobError
from schemas.plugins import as_callable, find_plugin
from schemas.text import one_line
from storage.read import file_exists, read_bytes
from transforms.curation.rule import Look, Rule, When

ONNX = ".onnx"
TORCH = (".pt", ".pth", ".pt2", ".ckpt", ".safetensors")
Score = Callable[[np.ndarray], float]


class Classifier(Rule):
    """A score of your own, such as that of a watermark: an ONNX file, or a function of the picture.

    The function, ``module:name``, takes the picture as uint8 RGB [H,W,3], upright, its shorter side at most
    512 pixels, and returns a number. A class is made once per worker. An ONNX file is run by OpenCV.
    """

    name: ClassVar[str] = "classifier"
    when: ClassVar[When] = When.MODEL
    as_label: str | None = Field(None, description="name of the score; null: classifier")
    function: str | None = Field(None, description="module:name of a function of the picture, or a class")
    file: str | None = Field(None, description="an ONNX file with one input float32 [1,3,size,size]")
    min: float | None = Field(None, description="least score")
    max: float | None = Field(None, description="largest score")
    size: int = Field(224, ge=8, le=2048, description="side of the network's input, pixels")
    mean: tuple[float, float, float] = Field((0.485, 0.456, 0.406), description="of RGB, 0 to 1; subtracted")
    std: tuple[float, float, float] = Field((0.229, 0.224, 0.225), description="of RGB; divided by")
    output: int = Field(-1, ge=-1, le=100_000, description="which of the outputs is the score; -1: the last")
    activation: Literal["none", "sigmoid", "softmax"] = Field("none", description="applied to the outputs")
    _call: Score | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        if (self.function is None) == (self.file is None):
            raise ValueError("give either function, as module:name, or file, an ONNX file")
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both: without them it drops nothing")
        if self.file is not None and self.file.lower().endswith(TORCH):
            raise ValueError(
                f"file = {self.file!r} is no ONNX file: write one with torch.onnx.export, or give a class as "
                "function that loads it with weights_only=True"
            )
        if min(self.std) <= 0:
            raise ValueError(f"std = {list(self.std)} is not allowed: each must be > 0")
        return self

    @property
    def label(self) -> str:
        """The label: `as_label` if it is given, so that a list can hold several classifiers."""
        return self.as_label or self.name

    def check(self) -> None:
        """Find the function or the file. Raises ConfigError."""
        if self.function is not None:
            if not callable(find_plugin(self.function, "filters: classifier: function")):
                raise ConfigError(f"filters: classifier: {self.function} is not a function or class")
        elif not file_exists(self.file or ""):
            raise ConfigError(f"filters: classifier: {self.file}: no such file; check the path")

    def loaded(self) -> Classifier:
        """A copy that holds the function or the network. Raises JobError for a file that cannot be read."""
        copy = self.model_copy()
        if self.function is not None:
            found = find_plugin(self.function, "filters: classifier: function")
            copy._call = as_callable(found)
        else:
            copy._call = Network(self)
        return copy

    def score(self, look: Look) -> float:
        """The value of the function or the network. Raises ValueError for one that is no finite number."""
        assert self._call is not None  # noqa: S101 - workers call loaded rules
        assert look.image_HWC is not None  # noqa: S101 - narrows the type
        score = float(self._call(look.image_HWC))
        if not np.isfinite(score):
            raise ValueError(f"{self.label} returned {score}, which is no score")
        return score


class Network:
    """An ONNX file as a function of the picture."""

    def __init__(self, rule: Classifier) -> None:
        self._rule = rule
        try:
            data = np.frombuffer(read_bytes(rule.file or ""), np.uint8)
            self._net: Any = cv2.dnn.readNetFromONNX(data)
            self(np.zeros((8, 8, 3), np.uint8))  # its buffers do not count towards the limits of a sample
        except (OSError, cv2.error) as error:
            raise JobError(
                f"filters: classifier: {rule.file}: OpenCV cannot run it ({one_line(error, 200)}); check the "
                f"file, its input [1,3,{rule.size},{rule.size}] and its operators"
            ) from None

    def __call__(self, image_HWC: np.ndarray) -> float:
        """The score of a picture, stretched to the network's size."""
        rule = self._rule
        resized = cv2.resize(image_HWC, (rule.size, rule.size), interpolation=cv2.INTER_AREA)
        mean, std = np.asarray(rule.mean, np.float32), np.asarray(rule.std, np.float32)
        pixels = (resized.astype(np.float32) / 255 - mean) / std
        self._net.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32))
        outputs = np.asarray(self._net.forward(), np.float64).ravel()
        if rule.activation == "sigmoid":
            outputs = 1 / (1 + np.exp(-outputs))
        elif rule.activation == "softmax":
            outputs = np.exp(outputs - outputs.max())
            outputs = outputs / outputs.sum()
        if rule.output >= len(outputs):
            raise JobError(f"filters: classifier: output = {rule.output}, but there are {len(outputs)}")
        return float(outputs[rule.output])


class ClipSimilarity(Rule):
    """The cosine of CLIP's features of the picture and of the caption, by open_clip weights on disk.

    LAION-400M keeps 0.3 and more, LAION-5B 0.28, by ViT-B/32 of OpenAI (Schuhmann et al. 2021, 2022). Another
    model needs another threshold.
    """

    name: ClassVar[str] = "clip_similarity"
    when: ClassVar[When] = When.MODEL
    model: str = Field(
        "ViT-B-32", min_length=1, description="a model of open_clip, such as ViT-B-32-quickgelu"
    )
    weights: str = Field(min_length=1, description="its weights: a local file, .pt or .safetensors")
    min: float = Field(0.28, ge=-1, le=1, description="least cosine")
    _call: Callable[[Look], float] | None = PrivateAttr(None)

    def check(self) -> None:
        """Find the weights. Raises ConfigError."""
        if "://" in self.weights or not file_exists(self.weights):
            raise ConfigError(f"filters: clip_similarity: weights {self.weights}: no such local file")

    def loaded(self) -> ClipSimilarity:
        """A copy that holds the model. Raises JobError if torch or open_clip cannot load it."""
        copy = self.model_copy()
        copy._call = _clip(self.model, self.weights)
        return copy

    def score(self, look: Look) -> float:
        """The cosine, -1 to 1. The picture is prepared as open_clip does, from a shorter side of 512."""
        assert self._call is not None  # noqa: S101 - workers call loaded rules
        return self._call(look)


def _clip(name: str, weights: str) -> Callable[[Look], float]:
    try:
        import open_clip
        import torch
        from PIL import Image
    except ImportError:
        raise JobError(
            "filters: clip_similarity needs torch and open_clip: pip install zoetrope[train]"
        ) from None
    text = (open_clip.get_model_config(name) or {}).get("text_cfg")
    if text is None or "hf_tokenizer_name" in text or "hf_model_name" in text:
        raise JobError(
            f"filters: clip_similarity: model {name}: open_clip has no such model, or no tokenizer of it"
        )
    torch.set_num_threads(1)
    try:
        model, _, prepare = open_clip.create_model_and_transforms(name, pretrained=weights, weights_only=True)
    except Exception as error:  # torch raises what it likes for a file that is none
        raise JobError(
            f"filters: clip_similarity: {weights} is no file of {name}: {one_line(error, 200)}"
        ) from None
    model.eval()
    tokenizer = open_clip.get_tokenizer(name)

    @torch.inference_mode()
    def similarity(look: Look) -> float:
        assert look.image_HWC is not None  # noqa: S101 - narrows the type
        picture = prepare(Image.fromarray(look.image_HWC))[None]
        seen = model.encode_image(picture, normalize=True)
        read = model.encode_text(tokenizer([look.caption]), normalize=True)
        return float((seen * read).sum())

    return similarity


MODEL_RULES = (Classifier, ClipSimilarity)
