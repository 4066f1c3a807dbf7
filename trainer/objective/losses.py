"""Training losses: symmetric contrastive over global and TAB vectors, and matching on hard negatives.

A loss takes the features of this process and those gathered from all processes; `offset` is the first row of
this process among all. It averages over the local rows, so its mean over processes is the loss of the whole
batch.

`LOSSES` lists the losses that training uses. A new loss is one entry there, and its weight in `LossConfig`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 the usual name
from torch import Tensor

from trainer.data.identity import same
from trainer.device.streams import without_wait
from trainer.model.clip2video import CLIP2Video
from trainer.model.features import Features, TextFeatures, VideoFeatures
from trainer.objective.config import LossConfig

# A row's probabilities are rounded to this many shares. It is far below float64's 2^53, so sums are exact.
SHARES = 2**40
NEVER = -1e4  # a logit whose share is 0, and whose logarithm is finite


class DualLoss(NamedTuple):
    """Contrastive losses, 0-d float32."""

    total: Tensor  # center_weight * global_ + (1 - center_weight) * tab
    global_: Tensor
    tab: Tensor | None


class Batch(NamedTuple):
    """Text i and video i are a pair. Items that are the same by `ids` are no negatives of each other.

    `ids` int64 are rows of `trainer.data.identity` [n,3], or plain numbers [n].
    """

    text: TextFeatures
    video: VideoFeatures
    ids: Tensor


@dataclass(frozen=True, eq=False)
class Problem:
    """The input of a loss."""

    model: CLIP2Video
    local: Batch  # of this process
    whole: Batch  # of all processes, with gradient
    offset: int  # first row of `local` in `whole`
    seed: int  # of random choices in this step
    config: LossConfig


@dataclass(frozen=True)
class Loss:
    """A loss that training uses."""

    name: str  # in records
    trains: Literal["dual", "interaction"]  # the part of the model that it needs and trains
    weight: Callable[[LossConfig], float]  # in the total; 0: not computed
    compute: Callable[[Problem], dict[str, Tensor]]  # the loss first, then its parts for the record
    autocast: bool  # computed in the forward pass's precision, instead of float32
    reads_tokens: bool  # needs the tokens of all processes, not only the vectors


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
    """Return the symmetric cross-entropy (InfoNCE, both directions halved) of local rows against all columns.

    Unit vectors [n,D] and [N,D]; `scale` multiplies the cosines; row i pairs with column offset + i. Other
    columns that are the same by their ids are left out of its denominator. The result is 0-d float32.
    """
    with torch.autocast(text_nD.device.type, enabled=False):
        t2v = scale.float() * text_nD.float() @ all_video_ND.float().T
        v2t = scale.float() * video_nD.float() @ all_text_ND.float().T
    target = torch.arange(len(t2v), device=t2v.device) + offset
    if ids_n is not None and all_ids_N is not None:
        equal = same(ids_n, all_ids_N)
        equal.diagonal(offset)[: len(target)].fill_(False)  # a view; writing by index is slow on a GPU
        t2v, v2t = t2v.masked_fill(equal, -torch.inf), v2t.masked_fill(equal, -torch.inf)
    return (F.cross_entropy(t2v, target) + F.cross_entropy(v2t, target)) / 2


def sigmoid_loss(
    text_nD: Tensor,
    all_video_ND: Tensor,
    ids_n: Tensor,
    all_ids_N: Tensor,
    *,
    scale: Tensor,
    bias: Tensor,
    offset: int = 0,
) -> Tensor:
    """Return the pairwise sigmoid loss of local texts and all videos (Zhai et al. 2023, SigLIP, equation 1).

    Each pair is classified on its own: -log sigmoid(z (scale * cosine + bias)). Here z is 1 for row i and
    column offset + i, else -1. Other columns that are the same by their ids count as neither. The sum over
    pairs is divided by the n local texts, so that its mean over processes is the loss of the whole batch.
    Unit vectors [n,D] and [N,D]; the result is 0-d float32.
    """
    with torch.autocast(text_nD.device.type, enabled=False):
        logits_nN = scale.float() * text_nD.float() @ all_video_ND.float().T + bias.float()
    own = torch.zeros_like(logits_nN, dtype=torch.bool)
    own[:, offset : offset + len(own)].fill_diagonal_(True)
    counted = own | ~same(ids_n, all_ids_N)
    losses = F.softplus(torch.where(own, -logits_nN, logits_nN))
    return (losses * counted).sum() / len(logits_nN)


def dual_loss(
    local: Batch,
    everyone: Batch | None = None,
    *,
    scale: Tensor,
    center_weight: float,
    bias: Tensor | None = None,
    offset: int = 0,
) -> DualLoss:
    """Return `contrastive_loss` of the global and of the TAB vectors, and their mixture.

    `everyone` is the gathered batch with gradient, or None for one process. With a `bias` [2] (of global, of
    TAB) the loss is `sigmoid_loss`.
    """
    whole = local if everyone is None else everyone

    def loss(text: Tensor, video: Tensor, all_text: Tensor, all_video: Tensor, part: int) -> Tensor:
        ids = local.ids, whole.ids
        if bias is not None:
            return sigmoid_loss(text, all_video, *ids, scale=scale, bias=bias[part], offset=offset)
        return contrastive_loss(
            text, video, all_text, all_video, scale=scale, ids_n=ids[0], all_ids_N=ids[1], offset=offset
        )

    global_ = loss(local.text.global_, local.video.global_, whole.text.global_, whole.video.global_, 0)
    if local.text.tab is None or local.video.tab is None or whole.text.tab is None or whole.video.tab is None:
        return DualLoss(global_, global_, None)
    tab = loss(local.text.tab, local.video.tab, whole.text.tab, whole.video.tab, 1)
    return DualLoss(center_weight * global_ + (1 - center_weight) * tab, global_, tab)


@torch.no_grad()
def hard_negatives(
    logits_nN: Tensor, ids_n: Tensor, all_ids_N: Tensor, *, offset: int = 0, seed: int | None = None
) -> tuple[Tensor, Tensor]:
    """Choose one wrong column per row -> index [n], found [n].

    With a `seed` the column is drawn from the softmax of the row's logits, without it the largest is taken.
    Columns with the row's id are never chosen; if there are no others, `found` is False and the index is
    meaningless. A draw depends only on the seed and the row's position in the whole batch, so the number of
    processes changes nothing.
    """
    equal = same(ids_n, all_ids_N)
    equal[:, offset : offset + len(ids_n)] |= torch.eye(len(ids_n), dtype=torch.bool, device=equal.device)
    scores = logits_nN.float().masked_fill(equal, -torch.inf)
    found = ~equal.all(-1)
    if seed is None:
        return scores.argmax(-1), found
    generator = torch.Generator().manual_seed(seed)  # on the CPU: the same draw for every device
    draw_N = torch.rand(len(all_ids_N), generator=generator, dtype=torch.float64)
    draw_n = draw_N[offset : offset + len(ids_n)]
    share_nN = scores.masked_fill(~found[:, None], 0).double().softmax(-1)
    below_nN = (share_nN * SHARES).long().cumsum(-1)  # integers: the order of summation does not matter
    point_n1 = (without_wait(draw_n, scores.device)[:, None] * below_nN[:, -1:]).long()
    return (below_nN <= point_n1).sum(-1).clamp(max=len(all_ids_N) - 1), found


def match_loss(
    model: CLIP2Video,
    local: Batch,
    everyone: Batch | None = None,
    *,
    offset: int = 0,
    seed: int | None = None,
) -> Tensor:
    """Return the interaction module's binary cross-entropy -> 0-d float32.

    Positives are the local pairs. Negatives are each text with a hard wrong video, and each video with a hard
    wrong text; together they weigh as much as the positives. The dual encoder's logits choose the negatives
    (see `hard_negatives`), without a gradient into the choice.
    """
    whole = local if everyone is None else everyone
    with torch.no_grad():
        to_videos = model.logits(local.text, whole.video)
        to_texts = model.logits(whole.text, local.video).T
    wrong_video, has_video = hard_negatives(to_videos, local.ids, whole.ids, offset=offset, seed=seed)
    other = None if seed is None else seed + 1  # a row's text and video draw apart
    wrong_text, has_text = hard_negatives(to_texts, local.ids, whole.ids, offset=offset, seed=other)
    text_tokens = torch.cat((local.text.tokens, local.text.tokens, whole.text.tokens[wrong_text]))
    text_mask = torch.cat((local.text.mask, local.text.mask, whole.text.mask[wrong_text]))
    video_tokens = torch.cat((local.video.tokens, whole.video.tokens[wrong_video], local.video.tokens))
    video_mask = torch.cat((local.video.mask, whole.video.mask[wrong_video], local.video.mask))
    logits = model.match(text_tokens, text_mask, video_tokens, video_mask)
    positive, for_text, for_video = logits.chunk(3)
    wrong = (F.softplus(for_text) * has_text + F.softplus(for_video) * has_video) / 2
    return (F.softplus(-positive) + wrong).mean() / 2


def distill_loss(
    model: CLIP2Video, local: Batch, whole: Batch, candidates: int, *, offset: int = 0
) -> Tensor:
    """Return the distance of the dual encoder's choice among candidates to the interaction module's.

    The candidates of a text are its video and the hardest wrong videos; those of a video are its text and the
    hardest wrong texts. The loss (0-d float32) is the Kullback-Leibler divergence between the two models'
    softmax over the candidates. Both directions are halved (Miech et al. 2021, "Thinking fast and slow"). The
    interaction module gets no gradient.
    """
    to_videos = model.logits(local.text, whole.video)
    to_texts = model.logits(whole.text, local.video).T
    videos, is_video = _hardest(to_videos, local.ids, whole.ids, candidates, offset)
    texts, is_text = _hardest(to_texts, local.ids, whole.ids, candidates, offset)
    with torch.no_grad():
        of_videos = _match_each(model, local.text, whole.video, videos, queries_are_texts=True)
        of_texts = _match_each(model, local.video, whole.text, texts, queries_are_texts=False)
    forwards = _divergence(of_videos, to_videos.gather(1, videos), is_video)
    return (forwards + _divergence(of_texts, to_texts.gather(1, texts), is_text)) / 2


@torch.no_grad()
def _hardest(
    logits_nN: Tensor, ids_n: Tensor, all_ids_N: Tensor, count: int, offset: int
) -> tuple[Tensor, Tensor]:
    """Return the own column of each row and the best others [n,K], and which of them are no equals."""
    scores = logits_nN.float().masked_fill(same(ids_n, all_ids_N), -torch.inf)
    # So a row's own pair is its first candidate.
    scores[:, offset : offset + len(scores)].fill_diagonal_(torch.inf)
    best = scores.topk(min(count, scores.shape[1]), dim=1)
    return best.indices, best.values > -torch.inf


def _match_each(
    model: CLIP2Video, queries: Features, items: Features, rows_nK: Tensor, *, queries_are_texts: bool
) -> Tensor:
    """Return the interaction module's logits [n,K] of every query with its candidates."""
    count = rows_nK.shape[1]
    query = queries.tokens.repeat_interleave(count, 0), queries.mask.repeat_interleave(count, 0)
    item = items.tokens[rows_nK.flatten()], items.mask[rows_nK.flatten()]
    if queries_are_texts:
        pair = (*query, *item)
    else:
        pair = (*item, *query)
    return model.match(*pair).view_as(rows_nK)


def _divergence(teacher_nK: Tensor, student_nK: Tensor, counted_nK: Tensor) -> Tensor:
    teacher, student = (
        logits.float().masked_fill(~counted_nK, NEVER).log_softmax(1) for logits in (teacher_nK, student_nK)
    )
    return F.kl_div(student, teacher, log_target=True, reduction="batchmean")


def _contrastive(problem: Problem) -> dict[str, Tensor]:
    model = problem.model
    dual = dual_loss(
        problem.local,
        problem.whole,
        scale=model.clip.logit_scale.float().exp(),
        center_weight=model.config.center_weight,
        bias=model.logit_bias,
        offset=problem.offset,
    )
    parts = {"contrastive": dual.total, "global": dual.global_}
    if dual.tab is not None:
        parts["tab"] = dual.tab
    return parts


def _match(problem: Problem) -> dict[str, Tensor]:
    loss = match_loss(problem.model, problem.local, problem.whole, offset=problem.offset, seed=problem.seed)
    return {"match": loss}


def _distill(problem: Problem) -> dict[str, Tensor]:
    count = problem.config.distill_candidates
    loss = distill_loss(problem.model, problem.local, problem.whole, count, offset=problem.offset)
    return {"distill": loss}


LOSSES = (
    Loss("contrastive", "dual", lambda _: 1.0, _contrastive, autocast=False, reads_tokens=False),
    Loss("match", "interaction", lambda c: c.match_weight, _match, autocast=True, reads_tokens=True),
    Loss("distill", "dual", lambda c: c.distill_weight, _distill, autocast=True, reads_tokens=True),
)
