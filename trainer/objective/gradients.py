"""Loss and gradients of one step, over ranks and over the parts of a rank's share.

Negatives are always those of the global batch. Over ranks, features are gathered with their gradient. With
several parts (`accumulate` > 1) every part is encoded twice. The first time there is no graph, and the loss
gives its gradient by feature. The second time that gradient is fed into the part's graph (Gao et al. 2021,
"Scaling deep contrastive learning batch size under memory limited setup"). Accumulation costs one more
forward pass, needs the memory of one part, and changes neither the loss nor the gradient.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from trainer.data.animate import Inputs, normalise
from trainer.data.identity import same
from trainer.data.packing import Packing, embed_packed
from trainer.device.compiler import compile_module
from trainer.device.precision import autocast
from trainer.device.ranks import Ranks, gather
from trainer.model.clip2video import CLIP2Video
from trainer.model.features import Features, TextFeatures, VideoFeatures
from trainer.objective.config import LossConfig
from trainer.objective.losses import LOSSES, Batch, Loss, Problem

F = TypeVar("F", bound=Features)
# Buffers are constants: not sent again at every step. The option has another name from torch 2.15 on.
_OPTIONS = inspect.signature(DistributedDataParallel.__init__).parameters
NO_BUFFER_SYNC = "broadcast_buffers"
if "forward_sync_buffers" in _OPTIONS:
    NO_BUFFER_SYNC = "forward_sync_buffers"


class Encoder(nn.Module):
    """The part of the model that DDP wraps and torch.compile compiles: inputs to features."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: CLIP2Video) -> None:
        super().__init__()
        self.model = model
        device = model.clip.logit_scale.device
        for name, values in zip(("mean", "std"), model.normalisation, strict=True):
            self.register_buffer(name, torch.tensor(values, device=device), persistent=False)

    def forward(
        self,
        frames_BTHWC: Tensor,
        frame_mask_BT: Tensor,
        token_ids_CL: Tensor,
        token_mask_CL: Tensor,
        packing: Packing | None = None,
        patches_RK: Tensor | None = None,
    ) -> tuple[TextFeatures, VideoFeatures]:
        """uint8 frames [B,T,h,w,3] and captions -> features of the texts and of the videos."""
        text = self.model.encode_text(token_ids_CL, token_mask_CL)
        embed = partial(self._embed, patches_RK=patches_RK)
        embedded = embed_packed(frames_BTHWC, frame_mask_BT, packing, embed)
        return text, self.model.encode_embeddings(embedded, frame_mask_BT)

    def _embed(self, frames_NTHWC: Tensor, mask_NT: Tensor, patches_RK: Tensor | None) -> Tensor:
        frames = normalise(frames_NTHWC, mask_NT, self.mean, self.std)
        return self.model.embed_frames(frames, patches_RK)


@dataclass(frozen=True)
class StepLoss:
    """Losses of this rank, 0-d float32. Their means over ranks are those of the global batch."""

    total: Tensor
    parts: dict[str, Tensor]  # the losses in use and their parts, by name
    broken: Tensor  # bool [n]: samples of this rank whose features are not finite
    negatives: Tensor  # 0-d: negatives per text, on average


class Gradients:
    """Computes losses and leaves gradients, averaged over ranks, in the parameters."""

    def __init__(
        self,
        model: CLIP2Video,
        ranks: Ranks,
        config: LossConfig,
        *,
        precision: str = "fp32",
        compile: bool = False,
        dual_frozen: bool = False,
    ) -> None:
        """`precision` of the forward pass: bf16, fp32; `dual_frozen`: train the interaction module alone.

        The model must be on the device of `ranks`.
        """
        self._model, self._ranks, self._config = model, ranks, config
        self._precision, self._dual_frozen = precision, dual_frozen
        self._losses = [
            loss
            for loss in LOSSES
            if loss.weight(config) and (loss.trains == "dual" or model.interaction is not None)
        ]
        self._gather_tokens = any(loss.reads_tokens for loss in self._losses)
        self._encoder = Encoder(model)
        self._compiled = compile
        if compile:
            compile_module(self._encoder, repeatable=torch.are_deterministic_algorithms_enabled())
        self._parallel: nn.Module = self._encoder
        if ranks.world > 1:
            device_ids = None
            if ranks.device.type == "cuda":
                device_ids = [ranks.device.index]
            constant: dict[str, Any] = {NO_BUFFER_SYNC: False}
            self._parallel = DistributedDataParallel(
                self._encoder, device_ids=device_ids, gradient_as_bucket_view=True, **constant
            )

    def backward(self, parts: Collection[Inputs], *, seed: int) -> StepLoss:
        """Add the gradient of the loss over all parts of all ranks to the parameters.

        `seed`: of random choices.
        """
        if len(parts) == 1:
            (part,) = parts
            text, video = self._encode(self._parallel, part)
            loss = self._loss(text, video, part.identities_B3, seed)
            loss.total.backward()
            return loss
        encoded, ids_of_parts = [], []
        with torch.no_grad():
            for part in parts:  # each may be rendered only now
                encoded.append(self._encode(self._encoder, part))
                ids_of_parts.append(part.identities_B3)
        ids = torch.cat(ids_of_parts)
        text = _leaves(TextFeatures, [text for text, _ in encoded])
        video = _leaves(VideoFeatures, [video for _, video in encoded])
        loss = self._loss(text, video, ids, seed)
        self._backward_parts(parts, loss.total, text, video)
        return loss

    def _backward_parts(
        self, parts: Collection[Inputs], total: Tensor, text: TextFeatures, video: VideoFeatures
    ) -> None:
        """Feed the loss's gradient by feature into each part's graph.

        Parameters that the loss uses itself get their gradient last.
        """
        leaves = [*vectors(text), *vectors(video)]
        trained = [p for p in self._model.parameters() if p.requires_grad]
        grads = torch.autograd.grad(total, [*leaves, *trained], allow_unused=True)
        of_leaves, of_parameters = grads[: len(leaves)], grads[len(leaves) :]
        start = 0
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            without_ranks: AbstractContextManager[None] = nullcontext()
            # DDP averages over ranks once, in the last part's backward pass.
            if isinstance(self._parallel, DistributedDataParallel) and not last:
                without_ranks = self._parallel.no_sync()
            with without_ranks:
                outputs = [t for features in self._encode(self._parallel, part) for t in vectors(features)]
                rows = slice(start, start + len(part.keys))
                pairs = [
                    (out, grad[rows])
                    for out, grad in zip(outputs, of_leaves, strict=True)
                    if grad is not None
                ]
                if last:
                    pairs += [
                        (p, grad) for p, grad in zip(trained, of_parameters, strict=True) if grad is not None
                    ]
                # The gradient of such a sum by its output is `grad`, so one backward pass feeds all of them.
                fed = [(out * grad).sum() for out, grad in pairs if out.requires_grad]
                if fed:
                    torch.stack(fed).sum().backward()
            start = rows.stop

    def _encode(self, encoder: nn.Module, part: Inputs) -> tuple[TextFeatures, VideoFeatures]:
        if self._compiled and part.packing is not None:
            # The number of frames differs from batch to batch: a symbol from the first compilation on.
            torch._dynamo.maybe_mark_dynamic(part.packing.kept_R, 0)
            if part.patches_RK is not None:
                torch._dynamo.maybe_mark_dynamic(part.patches_RK, 0)
        with autocast(self._ranks.device, self._precision):
            features: tuple[TextFeatures, VideoFeatures] = encoder(
                part.frames_BTHWC,
                part.frame_mask_BT,
                part.token_ids_CL,
                part.token_mask_CL,
                part.packing,
                part.patches_RK,
            )
        return features

    def _loss(self, text: TextFeatures, video: VideoFeatures, ids: Tensor, seed: int) -> StepLoss:
        local = whole = Batch(text, video, ids)
        if self._ranks.world > 1:
            whole = Batch(self._gathered(text), self._gathered(video), gather(ids, self._ranks))
        problem = Problem(
            model=self._model,
            local=local,
            whole=whole,
            offset=self._ranks.rank * len(ids),
            seed=seed,
            config=self._config,
        )
        terms: list[Tensor] = []
        parts: dict[str, Tensor] = {}
        for loss in self._losses:
            frozen = self._dual_frozen and loss.trains == "dual"
            with self._context(loss, frozen):
                found = loss.compute(problem)
            parts |= {name: part.detach() for name, part in found.items()}
            if not frozen:
                terms.append(loss.weight(self._config) * found[loss.name])
        negatives = (~same(local.ids, whole.ids)).float().sum(1).mean()
        return StepLoss(sum(terms[1:], terms[0]), parts, _broken(text) | _broken(video), negatives)

    @contextmanager
    def _context(self, loss: Loss, frozen: bool) -> Iterator[None]:
        """Compute a loss in its precision, and without gradient if what it trains is frozen."""
        precision = self._precision if loss.autocast else "fp32"
        with torch.set_grad_enabled(not frozen), autocast(self._ranks.device, precision):
            yield

    def _gathered(self, features: F) -> F:
        tokens, mask = features.tokens, features.mask
        if self._gather_tokens:
            tokens, mask = gather(tokens, self._ranks), gather(mask, self._ranks)
        tab = None
        if features.tab is not None:
            tab = gather(features.tab, self._ranks)
        return type(features)(gather(features.global_, self._ranks), tab, tokens, mask)


def vectors(features: Features) -> list[Tensor]:
    """Return the differentiable tensors of features in a fixed order: global, TAB if it exists, tokens."""
    if features.tab is None:
        return [features.global_, features.tokens]
    return [features.global_, features.tab, features.tokens]


def _leaves(kind: type[F], parts: Sequence[F]) -> F:
    """Return the features of all parts as leaves of a new graph."""
    global_ = _leaf([part.global_ for part in parts])
    tokens = _leaf([part.tokens for part in parts])
    tab = None
    tabs = [part.tab for part in parts if part.tab is not None]
    if tabs:
        tab = _leaf(tabs)
    return kind(global_, tab, tokens, torch.cat([part.mask for part in parts]))


def _leaf(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(tensors)).detach().requires_grad_()


def _broken(features: Features) -> Tensor:
    """Return which rows have a value that is not finite."""
    return ~torch.stack([tensor.detach().flatten(1).isfinite().all(1) for tensor in vectors(features)]).all(0)
