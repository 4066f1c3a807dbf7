"""Training losses: symmetric contrastive over global and TAB vectors, and matching on hard negatives.

All of them take this process's features beside the gathered ones of all processes, and the place (`offset`) of the former in
the latter. Each averages over the local rows, so the mean over processes equals the loss of one process with the whole batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 the usual name
from torch import Tensor

if TYPE_CHECKING:
    from trainer.model.clip2video import CLIP2Video, TextFeatures, VideoFeatures

SHARES = (
    2**40
)  # that a row's probability is dealt out in: far below float64's 2^53, so no draw falls behind the last


class DualLoss(NamedTuple):
    """Contrastive losses, 0-d float32."""

    total: Tensor  # center_weight * global_ + (1 - center_weight) * tab
    global_: Tensor
    tab: Tensor | None


class Batch(NamedTuple):
    """Text i and video i are a pair. `ids` [n] int64: equal ids show the same picture or video and are no negatives."""

    text: TextFeatures
    video: VideoFeatures
    ids: Tensor


def contrastive_loss(
    text_nD: Tensor,
    video_nD: Tensor,
    all_text_ND: Tensor,
    all_video_ND: Tensor,
    *,
    scale: Tensor,
    ids_n: Tensor | None = None,
    all_ids_N: Tensor | None = None,
    offset: int = 0,
) -> Tensor:
    """Symmetric cross-entropy (InfoNCE, both directions halved) of local rows against all columns -> 0-d float32.

    Unit vectors [n,D] and [N,D]; `scale` multiplies the cosines; rows i pair with columns offset + i. Other columns with the
    row's id are left out of its denominator.
    """
    with torch.autocast(text_nD.device.type, enabled=False):
        t2v = scale.float() * text_nD.float() @ all_video_ND.float().T
        v2t = scale.float() * video_nD.float() @ all_text_ND.float().T
    target = torch.arange(len(t2v), device=t2v.device) + offset
    if ids_n is not None and all_ids_N is not None:
        same = ids_n[:, None] == all_ids_N[None, :]
        same[torch.arange(len(target), device=same.device), target] = False
        t2v, v2t = t2v.masked_fill(same, -torch.inf), v2t.masked_fill(same, -torch.inf)
    return (F.cross_entropy(t2v, target) + F.cross_entropy(v2t, target)) / 2


def dual_loss(
    local: Batch, everyone: Batch | None = None, *, scale: Tensor, center_weight: float, offset: int = 0
) -> DualLoss:
    """`contrastive_loss` of the global and of the TAB vectors, mixed. `everyone` is the gathered batch (with gradient);
    None for one process.
    """
    whole = local if everyone is None else everyone

    def loss(text: Tensor, video: Tensor, all_text: Tensor, all_video: Tensor) -> Tensor:
        return contrastive_loss(
            text, video, all_text, all_video, scale=scale, ids_n=local.ids, all_ids_N=whole.ids, offset=offset
        )

    global_ = loss(local.text.global_, local.video.global_, whole.text.global_, whole.video.global_)
    if local.text.tab is None or local.video.tab is None or whole.text.tab is None or whole.video.tab is None:
        return DualLoss(global_, global_, None)
    tab = loss(local.text.tab, local.video.tab, whole.text.tab, whole.video.tab)
    return DualLoss(center_weight * global_ + (1 - center_weight) * tab, global_, tab)


@torch.no_grad()
def hard_negatives(
    logits_nN: Tensor, ids_n: Tensor, all_ids_N: Tensor, *, offset: int = 0, seed: int | None = None
) -> tuple[Tensor, Tensor]:
    """For each row a wrong column, drawn from the softmax of its logits (`seed`) or the hardest (None) -> index, found [n].

    Columns with the row's id are never chosen; where no other exists, `found` is False (and the index means nothing). A
    row's draw depends on the seed and its place in the whole batch alone, so the number of processes does not change it.
    """
    same = ids_n[:, None] == all_ids_N[None, :]
    same[:, offset : offset + len(ids_n)] |= torch.eye(len(ids_n), dtype=torch.bool, device=same.device)
    scores = logits_nN.float().masked_fill(same, -torch.inf)
    found = ~same.all(-1)
    if seed is None:
        return scores.argmax(-1), found
    generator = torch.Generator().manual_seed(seed)  # on the CPU: the same on every device
    draw_n = torch.rand(len(all_ids_N), generator=generator, dtype=torch.float64)[
        offset : offset + len(ids_n)
    ]
    share_nN = scores.masked_fill(~found[:, None], 0).double().softmax(-1)
    below_nN = (share_nN * SHARES).long().cumsum(-1)  # whole numbers: any order of summing gives the same
    point_n1 = (draw_n.to(scores.device)[:, None] * below_nN[:, -1:]).long()
    return (below_nN <= point_n1).sum(-1).clamp(max=len(all_ids_N) - 1), found


def match_loss(
    model: CLIP2Video,
    local: Batch,
    everyone: Batch | None = None,
    *,
    offset: int = 0,
    seed: int | None = None,
) -> Tensor:
    """Binary cross-entropy of the interaction module -> 0-d float32: every local pair as a match; its text with a hard wrong
    video, and its video with a hard wrong text, as none. Positives and negatives weigh the same.

    Negatives are picked by the dual encoder's logits (see `hard_negatives`), without gradient into the choice.
    """
    whole = local if everyone is None else everyone
    with torch.no_grad():
        to_videos = model.logits(local.text, whole.video)
        to_texts = model.logits(whole.text, local.video).T
    wrong_video, has_video = hard_negatives(to_videos, local.ids, whole.ids, offset=offset, seed=seed)
    other = None if seed is None else seed + 1
    wrong_text, has_text = hard_negatives(to_texts, local.ids, whole.ids, offset=offset, seed=other)
    text_tokens = torch.cat((local.text.tokens, local.text.tokens, whole.text.tokens[wrong_text]))
    text_mask = torch.cat((local.text.mask, local.text.mask, whole.text.mask[wrong_text]))
    video_tokens = torch.cat((local.video.tokens, whole.video.tokens[wrong_video], local.video.tokens))
    video_mask = torch.cat((local.video.mask, whole.video.mask[wrong_video], local.video.mask))
    logits = model.match(text_tokens, text_mask, video_tokens, video_mask)
    positive, for_text, for_video = logits.chunk(3)
    wrong = (F.softplus(for_text) * has_text + F.softplus(for_video) * has_video) / 2
    return (F.softplus(-positive) + wrong).mean() / 2
