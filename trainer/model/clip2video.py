"""CLIP2Video: text and video to comparable features, and their scores.

The scores are the features' similarity and the interaction module's match score.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 the usual name
from torch import Tensor, nn

from schemas.errors import ConfigError
from trainer.model.config import ModelConfig
from trainer.model.features import Features, TextFeatures, VideoFeatures
from trainer.model.init import init_from_clip
from trainer.model.interaction import Interaction
from trainer.model.temporal.tab import TokenAlignment
from trainer.model.temporal.tdb import TemporalDifference
from trainer.model.tokenizer import make_tokenizer
from trainer.model.towers import (
    build_clip,
    count_patches,
    embed_dim,
    encode_frames,
    encode_tokens,
    normalisation,
    text_tower,
)
from trainer.model.transformer import Transformer
from trainer.model.weights.pretrained import load_pretrained


class CLIP2Video(nn.Module):
    """The model of `config`, with random weights; `build_model` adds the pretrained ones.

    Parameters under ``clip.`` are the towers', under ``interaction.`` the re-ranker's, all others the
    temporal modules'.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.tokenize = make_tokenizer(config)
        self.clip = build_clip(config)
        self.clip.set_grad_checkpointing(config.grad_checkpointing)
        self.width = width = embed_dim(self.clip)
        tower = text_tower(self.clip)
        heads = _heads(self.clip, width)
        positions = len(tower.positional_embedding)
        sequence = config.sim_type == "seqTransf"
        placed = {"max_words": config.max_words}  # what needs a position
        if sequence or config.interaction.enabled:
            placed["max_frames"] = config.max_frames
        for name, length in placed.items():
            if length > positions:
                raise ConfigError(
                    f"{name} = {length} must be at most {positions}, the text tower's positions"
                )
        self.frame_positions = self.sequence = None
        if sequence:
            self.frame_positions = nn.Embedding(positions, width)
            nn.init.normal_(self.frame_positions.weight, std=0.01)
            self.sequence = Transformer(width, config.temporal_layers, heads)
        self.tdb = None
        if config.temporal_type == "TDB":
            self.tdb = TemporalDifference(width, heads, config.temporal_proj)
        self.tab = None
        if config.center_type == "TAB":
            self.tab = TokenAlignment(width, heads, config.centerK, half_rate=bool(config.center_proj))
        self.interaction = _interaction(config, width, positions)
        # Of the sigmoid loss: one for global logits and one for TAB's. It changes no rank.
        self.logit_bias = None
        if config.logit_bias is not None:
            self.logit_bias = nn.Parameter(torch.full((2,), float(config.logit_bias)))
        self.patches = 0  # of a frame, if some are dropped
        if config.patch_dropout:
            self.patches = count_patches(self.clip)
        self.start_from_clip()

    def start_from_clip(self) -> None:
        """Give the temporal modules their initial weights. Centres and the interaction module stay random."""
        attention = None
        if self.tdb is not None:
            attention = self.tdb.attention
        actions = None if self.tab is None else self.tab.actions
        init_from_clip(
            self.clip,
            width=self.width,
            frame_positions=self.frame_positions,
            tdb=self.tdb,
            transformers=(self.sequence, attention, actions),
        )

    @property
    def image_size(self) -> int:
        """Pixels a side of the frames that the vision tower takes."""
        size = self.clip.visual.image_size
        return int(size if isinstance(size, int) else size[0])

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation (RGB, of values in [0,1]) to normalise frames with."""
        return normalisation(self.config)

    def encode_text(self, token_ids: Tensor, token_mask: Tensor) -> TextFeatures:
        """Token ids [N,L] int64 and mask [N,L] (1 real, 0 padding) -> features of N texts."""
        _expect("token_ids", token_ids, 2)
        _expect("token_mask", token_mask, 2, token_ids.shape)
        pooled, hidden = encode_tokens(self.clip, token_ids)
        tab = None
        if self.tab is not None:
            inner = token_mask.clone()
            if self.config.tokenizer is None:
                inner[:, 0] = 0  # the start token says nothing of the caption; others may have none
            tab = self.tab(hidden, inner)
        return TextFeatures(F.normalize(pooled.float(), dim=-1), tab, hidden.float(), token_mask)

    def encode_video(self, frames: Tensor, frame_mask: Tensor) -> VideoFeatures:
        """Normalised frames [M,T,3,H,W] float and mask [M,T] -> features of M videos.

        The mask has 1 for a real frame, 0 for padding, and padding is last.

        A video without a real frame has a zero `global_` vector: similarity 0 to everything, never NaN.
        """
        _expect("frames", frames, 5)
        _expect("frame_mask", frame_mask, 2, frames.shape[:2])
        return self.encode_embeddings(self.embed_frames(frames), frame_mask)

    def embed_frames(self, frames: Tensor, patches: Tensor | None = None) -> Tensor:
        """Normalised frames [M,T,3,H,W] -> the vision tower's embeddings [M,T,D] float32, not normalised.

        With `patches` int64 [M*T,K] the tower sees K patches of each frame.
        """
        embedded = encode_frames(self.clip, frames.flatten(0, 1), patches)
        return embedded.float().unflatten(0, frames.shape[:2])

    def encode_embeddings(self, frames_MTD: Tensor, frame_mask: Tensor) -> VideoFeatures:
        """`encode_video` from frame embeddings [M,T,D] on."""
        _expect("frames_MTD", frames_MTD, 3)
        mask = frame_mask.float()
        if self.sequence is None:
            context = frames_MTD
        else:
            context = self._contextual(frames_MTD, mask, self.sequence, self.tdb)
        pooled = (F.normalize(context.float(), dim=-1) * mask[..., None]).sum(1)
        pooled = pooled / mask.sum(1, keepdim=True).clamp(min=1)
        tab = None
        if self.tab is not None:
            tab = self.tab(*self.tab_tokens(frames_MTD, mask))
        return VideoFeatures(F.normalize(pooled, dim=-1), tab, context.float(), frame_mask)

    def tab_tokens(self, frames_MTD: Tensor, mask_MT: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens [M,S,D] for TAB and their mask [M,S]: frames, then the half-rate stream."""
        if self.tab is None or self.tab.actions is None:
            return frames_MTD, mask_MT
        half, half_mask = frames_MTD[:, ::2], mask_MT[:, ::2]
        tdb = None
        if self.config.center_proj == "TAB_TDB":
            tdb = self.tdb
        extra = self._contextual(half, half_mask, self.tab.actions, tdb)
        return torch.cat((frames_MTD, extra.to(frames_MTD.dtype)), dim=1), torch.cat(
            (mask_MT, half_mask), dim=1
        )

    def _contextual(
        self, frames: Tensor, mask: Tensor, transformer: Transformer, tdb: TemporalDifference | None
    ) -> Tensor:
        """Frames [M,T,D] after a temporal transformer, plus the input as residual.

        With `tdb` difference tokens come between the frames.
        """
        if self.frame_positions is None:
            raise ValueError("a temporal transformer needs sim_type=seqTransf")
        if frames.shape[1] > self.frame_positions.num_embeddings:
            raise ValueError(
                f"{frames.shape[1]} frames, but the model has {self.frame_positions.num_embeddings} "
                "positions; sample fewer"
            )
        positions = self.frame_positions.weight[: frames.shape[1]]
        if tdb is None:
            out: Tensor = transformer(frames + positions, mask)
        else:
            sequence = tdb(frames, mask, positions)
            out = transformer(sequence.embedded_NSD, sequence.mask_NS)[:, ::2]
        return out + frames

    def logit_parts(self, text: TextFeatures, video: VideoFeatures) -> tuple[Tensor, Tensor | None]:
        """Global and TAB logits [N,M] float32: cosines times exp(logit_scale). TAB's is None without TAB."""
        with torch.autocast(text.global_.device.type, enabled=False):
            scale = self.clip.logit_scale.float().exp()
            global_ = scale * text.global_ @ video.global_.T
            tab = None
            if text.tab is not None and video.tab is not None:
                tab = scale * text.tab @ video.tab.T
            return global_, tab

    def logits(self, text: TextFeatures, video: VideoFeatures) -> Tensor:
        """Combined logits [N,M]: center_weight * global + (1 - center_weight) * TAB; global without TAB."""
        global_, tab = self.logit_parts(text, video)
        weight = self.config.center_weight
        if tab is None:
            return global_
        return weight * global_ + (1 - weight) * tab

    def joint(self, features: Features) -> Tensor:
        """One vector per item for search: unit vectors [N,D] or [N,2D].

        Their inner products are the combined cosines.
        """
        if features.tab is None:
            return features.global_
        weight = self.config.center_weight
        return torch.cat((weight**0.5 * features.global_, (1 - weight) ** 0.5 * features.tab), dim=-1)

    def similarity(self, token_ids: Tensor, token_mask: Tensor, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """Token ids and mask [N,L], normalised frames [M,T,3,H,W] and mask [M,T] -> combined logits [N,M]."""
        return self.logits(self.encode_text(token_ids, token_mask), self.encode_video(frames, frame_mask))

    def match(
        self, text_tokens: Tensor, text_mask: Tensor, video_tokens: Tensor, video_mask: Tensor
    ) -> Tensor:
        """The interaction module's logits [P] for P pairs.

        A pair is text tokens [P,L,D] and video tokens [P,T,D] of `Features`.
        """
        if self.interaction is None:
            raise ValueError(
                "the model has no interaction module; train one with model.interaction.enabled=true"
            )
        score: Tensor = self.interaction(text_tokens, text_mask, video_tokens, video_mask)
        return score

    def rerank_score(self, dual_logits: Tensor, match_logits: Tensor, weight: float | None = None) -> Tensor:
        """The score for re-ranking: (1 - weight) * dual + weight * match, elementwise.

        Without `weight`, the config's weight is used.
        """
        if weight is None:
            weight = self.config.interaction.weight
        return (1 - weight) * dual_logits + weight * match_logits


def build_model(config: ModelConfig) -> CLIP2Video:
    """The model with `config.pretrained` in its towers and the new modules started from them."""
    model = CLIP2Video(config)
    if config.pretrained is not None:
        load_pretrained(model.clip, config)
        model.start_from_clip()
    return model


def _heads(clip: nn.Module, width: int) -> int:
    """Heads of the temporal modules.

    The text tower's number where it has this width, because its blocks are copied; else width // 64.
    """
    block = text_tower(clip).transformer.resblocks[0]
    if text_tower(clip).transformer.width == width and hasattr(block.attn, "num_heads"):
        return int(block.attn.num_heads)
    return max(1, width // 64)


def _interaction(config: ModelConfig, token_width: int, positions: int) -> Interaction | None:
    settings = config.interaction
    if not settings.enabled:
        return None
    width = settings.width or token_width
    heads = settings.heads or max(1, width // 64)
    if width % heads:
        raise ConfigError(
            f"model.interaction.heads = {heads} does not divide the width {width}; set one that does, or "
            "another width"
        )
    return Interaction(token_width, width=width, depth=settings.depth, heads=heads, positions=positions)


def _expect(name: str, tensor: Tensor, dims: int, shape: torch.Size | None = None) -> None:
    if tensor.ndim != dims or (shape is not None and tensor.shape != shape):
        if shape is None:
            wanted = f"{dims} dimensions"
        else:
            wanted = f"shape {list(shape)}"
        raise ValueError(f"{name} has shape {list(tensor.shape)}; it must have {wanted}")
