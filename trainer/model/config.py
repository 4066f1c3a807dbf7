"""The config of a model: `ModelConfig`, with CLIP2Video's own option names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.config import Config

SimType = Literal["meanP", "seqTransf"]
TemporalType = Literal["", "TDB"]
TemporalProj = Literal["", "sigmoid_selfA", "sigmoid_mlp"]
CenterType = Literal["", "TAB"]
CenterProj = Literal["", "TAB", "TAB_TDB"]


MAX_LAYERS = 1000  # of a tower or temporal transformer
MAX_SIDE = 8192  # pixels


class VisionShape(Config):
    """A vision transformer's size."""

    width: int = Field(768, ge=8, description="channels")
    layers: int = Field(12, ge=1, le=MAX_LAYERS, description="blocks")
    head_width: int = Field(64, ge=4, description="channels of one attention head; divides width")
    patch_size: int = Field(32, ge=1, description="pixels a patch side; divides image_size")
    image_size: int = Field(224, ge=8, le=MAX_SIDE, description="pixels a side of the input")


class TextShape(Config):
    """A text transformer's size."""

    width: int = Field(512, ge=8, description="channels")
    layers: int = Field(12, ge=1, le=MAX_LAYERS, description="blocks")
    heads: int = Field(8, ge=1, description="attention heads; divides width")
    context_length: int = Field(77, ge=4, description="positions")
    vocab_size: int = Field(49408, ge=4, description="token ids; 49408 for CLIP's vocabulary")


class ClipShape(Config):
    """CLIP towers by size instead of by name: small ones for tests, or those of a file."""

    embed_dim: int = Field(512, ge=8, description="D, the width that both towers project to")
    vision: VisionShape = VisionShape()
    text: TextShape = TextShape()
    quick_gelu: bool = Field(
        True, description="x * sigmoid(1.702 x), as OpenAI's weights need, instead of exact GELU"
    )

    @model_validator(mode="after")
    def _divides(self) -> Self:
        for name, whole, part in (
            ("vision.width by vision.head_width", self.vision.width, self.vision.head_width),
            ("vision.image_size by vision.patch_size", self.vision.image_size, self.vision.patch_size),
            ("text.width by text.heads", self.text.width, self.text.heads),
        ):
            if whole % part:
                raise ValueError(f"cannot divide {name} evenly: {whole} / {part}; change one of the two")
        return self


class InteractionConfig(Config):
    """The cross-modal transformer that scores a text and a video together, for re-ranking."""

    enabled: bool = Field(False, description="make the interaction module part of the model")
    depth: int = Field(2, ge=1, le=24, description="transformer blocks")
    heads: int | None = Field(None, ge=1, description="attention heads; null for width // 64 (at least 1)")
    width: int | None = Field(None, ge=8, description="channels; null for the towers' D")
    weight: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of the match score when re-ranking: (1 - weight) * dual + weight * match",
    )
    top_k: int = Field(50, ge=1, description="candidates of the dual encoder that are re-ranked, a query")


class ModelConfig(Config):
    """CLIP2Video and its variants. The defaults are the paper's model.

    The official code's own defaults are plain meanP.

    Options that another option makes pointless default to '' with it; setting one of them all the same is an
    error.
    """

    clip: str | dict[str, Any] = Field(
        "ViT-B-32-quickgelu",
        description="an open_clip model name (a ViT with CLIP's vocabulary, or with a tokenizer), or a "
        "ClipShape mapping",
    )
    pretrained: str | None = Field(
        None,
        description="CLIP weights: an open_clip tag (openai, laion2b_s34b_b79k, ...) or a local .safetensors "
        "or .pt file "
        "(OpenAI's included); null for random weights",
    )
    tokenizer: str | None = Field(
        None,
        description="tokenizer of towers without CLIP's vocabulary, such as ViT-B-16-SigLIP: a folder with a "
        "Hugging Face tokenizer.json, or that file; checkpoints hold a copy; null for CLIP's own",
    )
    sim_type: SimType = Field(
        "seqTransf", description="frames to video: mean pooling, or a temporal transformer"
    )
    temporal_type: TemporalType = Field(
        "TDB", description="TDB puts difference tokens between the frames; needs seqTransf"
    )
    temporal_proj: TemporalProj = Field(
        "sigmoid_selfA",
        description="how TDB makes a difference token: attention, MLP, or '' for plain subtraction",
    )
    center_type: CenterType = Field(
        "TAB", description="TAB adds the similarity of tokens aligned over shared centres"
    )
    center_proj: CenterProj = Field(
        "TAB_TDB",
        description="TAB's half-rate stream: with difference tokens, through the transformer alone, or '' "
        "for none",
    )
    centerK: int = Field(5, ge=1, description="shared centres of TAB (the paper: 5; VATEX: 7)")
    center_weight: float = Field(
        0.5, ge=0, le=1, description="share of the global similarity; TAB has the rest"
    )
    temporal_layers: int = Field(4, ge=1, le=MAX_LAYERS, description="blocks of the temporal transformer")
    max_frames: int = Field(12, ge=1, le=4096, description="frames of a clip, T")
    max_words: int = Field(32, ge=3, description="tokens of a caption, start and end included")
    grad_checkpointing: bool = Field(
        False, description="recompute the towers' activations in the backward pass to save memory"
    )
    patch_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of a frame's patches that the vision tower does not see in training (FLIP); "
        "evaluation sees all",
    )
    logit_bias: float | None = Field(
        None,
        description="start of the bias that the pairwise sigmoid loss learns; null: none, or -10 with "
        "loss.contrastive=sigmoid",
    )
    interaction: InteractionConfig = InteractionConfig()

    @field_validator("clip")
    @classmethod
    def _clip_shape(cls, value: str | dict[str, Any]) -> str | dict[str, Any]:
        if isinstance(value, str):
            return value
        return ClipShape.make(value).to_dict()

    @model_validator(mode="before")
    @classmethod
    def _dependent_defaults(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        filled = dict(values)
        sequence = filled.get("sim_type", "seqTransf") == "seqTransf"
        aligned = filled.get("center_type", "TAB") == "TAB"
        temporal, proj, center = "", "", ""
        if sequence:
            temporal = "TDB"
        difference = filled.setdefault("temporal_type", temporal) == "TDB"
        if difference:
            proj = "sigmoid_selfA"
        filled.setdefault("temporal_proj", proj)
        if aligned and sequence:
            center = "TAB"
        if aligned and sequence and difference:
            center = "TAB_TDB"
        filled.setdefault("center_proj", center)
        return filled

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for field, needs, met in (
            ("temporal_type", "sim_type=seqTransf", self.sim_type == "seqTransf"),
            ("temporal_proj", "temporal_type=TDB", self.temporal_type == "TDB"),
            ("center_proj", "center_type=TAB", self.center_type == "TAB"),
            ("center_proj", "sim_type=seqTransf", self.sim_type == "seqTransf"),
        ):
            if getattr(self, field) and not met:
                raise ValueError(f"{field}={getattr(self, field)!r} needs {needs}; set that, or {field}=''")
        if self.center_proj == "TAB_TDB" and self.temporal_type != "TDB":
            raise ValueError("center_proj='TAB_TDB' needs temporal_type=TDB; set that, or center_proj=TAB")
        return self

    @property
    def clip_shape(self) -> ClipShape | None:
        """The towers' sizes where they are given inline, None where `clip` is a name."""
        if isinstance(self.clip, str):
            return None
        return ClipShape.make(self.clip)
