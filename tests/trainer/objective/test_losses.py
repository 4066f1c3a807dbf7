"""Losses against plain loops, masked ids, hard negatives, and sharded batches that add up to the whole."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from tiny_models import tiny_inputs, tiny_model

from trainer.objective.losses import (
    Batch,
    contrastive_loss,
    distill_loss,
    dual_loss,
    hard_negatives,
    match_loss,
    sigmoid_loss,
)

SCALE = torch.tensor(10.0)


def unit(n, width=8, seed=0):
    return F.normalize(torch.randn(n, width, generator=torch.Generator().manual_seed(seed)), dim=-1)


def loop(text, video, ids):
    """Both directions, one row at a time, equal ids left out of the denominators."""
    total = 0.0
    for a, b in ((text, video), (video, text)):
        for i in range(len(a)):
            terms = [float(SCALE * a[i] @ b[j]) for j in range(len(b)) if j == i or ids[j] != ids[i]]
            total += math.log(sum(math.exp(t) for t in terms)) - float(SCALE * a[i] @ b[i])
    return total / len(text) / 2


@pytest.mark.parametrize("ids", [[0, 1, 2, 3, 4], [7, 1, 7, 7, 1]])
def test_symmetric_cross_entropy_leaves_equal_ids_out(ids):
    text, video, ids = unit(5), unit(5, seed=1), torch.tensor(ids)
    got = contrastive_loss(text, video, text, video, scale=SCALE, ids_n=ids, all_ids_N=ids)
    assert got.item() == pytest.approx(loop(text, video, ids), abs=1e-5)


def test_all_ids_equal_leaves_nothing_to_learn_and_stays_finite():
    text, video, ids = unit(3).requires_grad_(), unit(3, seed=1), torch.zeros(3, dtype=torch.long)
    loss = contrastive_loss(text, video, text, video, scale=SCALE, ids_n=ids, all_ids_N=ids)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(text.grad, torch.zeros(3, 8))


def batch(model, n=6, seed=1):
    ids, mask, frames, frame_mask = tiny_inputs(texts=n, videos=n, seed=seed)
    return Batch(
        model.encode_text(ids, mask),
        model.encode_video(frames, frame_mask),
        torch.tensor([0, 1, 2, 2, 4, 5][:n]),
    )


@pytest.mark.parametrize("with_match", [False, True])
def test_parts_of_a_batch_give_the_whole_batchs_loss_and_gradient(with_match):
    model = tiny_model(interaction={"enabled": True, "depth": 1}).train()
    scale = model.clip.logit_scale.exp()

    def loss(local, everyone, offset):
        total = dual_loss(local, everyone, scale=scale, center_weight=0.5, offset=offset).total
        return total + (match_loss(model, local, everyone, offset=offset, seed=11) if with_match else 0)

    whole = batch(model)
    wanted = loss(whole, None, 0)
    gradient = torch.autograd.grad(wanted, list(model.parameters()), allow_unused=True, retain_graph=True)
    parts = [
        Batch(whole.text[start : start + 2], whole.video[start : start + 2], whole.ids[start : start + 2])
        for start in (0, 2, 4)
    ]
    got = sum(loss(part, whole, 2 * i) for i, part in enumerate(parts)) / 3
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)
    for one, other in zip(
        torch.autograd.grad(got, list(model.parameters()), allow_unused=True), gradient, strict=True
    ):
        if other is not None:
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_the_mix_is_center_weights_and_tab_may_be_missing():
    model = tiny_model()
    given = batch(model)
    loss = dual_loss(given, scale=SCALE, center_weight=0.3)
    torch.testing.assert_close(loss.total, 0.3 * loss.global_ + 0.7 * loss.tab)
    plain = dual_loss(batch(tiny_model(center_type="")), scale=SCALE, center_weight=0.3)
    assert plain.tab is None
    assert plain.total is plain.global_


def test_the_hardest_wrong_column_is_picked_never_an_equal_id():
    logits = torch.tensor([[9.0, 5, 1, 0], [8, 9, 7, 0], [0, 9, 1, 2], [9, 0, 0, 1]])
    ids = torch.tensor([0, 1, 1, 0])
    index, found = hard_negatives(logits, ids, ids)
    assert index.tolist() == [1, 0, 3, 1]
    assert found.all()
    index, found = hard_negatives(logits[2:], ids[2:], ids, offset=2)
    assert index.tolist() == [3, 1]
    assert not hard_negatives(logits, torch.zeros(4), torch.zeros(4))[1].any()


def test_draws_follow_the_softmax_and_do_not_depend_on_the_split():
    logits = torch.tensor([[0.0, 0.0, math.log(3)]]).repeat(3, 1)
    ids = torch.arange(3)
    picks = [hard_negatives(logits, ids, ids, seed=seed)[0][0].item() for seed in range(2000)]
    assert 0 not in picks
    assert picks.count(2) / len(picks) == pytest.approx(0.75, abs=0.04)
    whole = hard_negatives(logits, ids, ids, seed=5)[0]
    assert hard_negatives(logits[1:2], ids[1:2], ids, offset=1, seed=5)[0].item() == whole[1]


def test_matching_can_be_learned_on_a_frozen_dual_encoder():
    model = tiny_model(interaction={"enabled": True, "depth": 1, "width": 32})
    with torch.no_grad():
        given = batch(model)
    rng = torch.Generator().manual_seed(
        3
    )  # untrained towers tell noise apart badly: give each pair tokens of its own
    given = given._replace(
        text=replace(given.text, tokens=torch.randn(6, 8, 32, generator=rng)),
        video=replace(given.video, tokens=torch.randn(6, 6, 32, generator=rng)),
    )
    assert match_loss(model, given, seed=0).item() == pytest.approx(math.log(2), abs=0.6)
    optimizer = torch.optim.Adam(model.interaction.parameters(), lr=3e-3)
    for step in range(200):
        loss = match_loss(model, given, seed=step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert match_loss(model, given, seed=0).item() < 0.05
    assert model.clip.visual.conv1.weight.grad is None


def test_a_batch_of_one_picture_has_positives_only():
    model = tiny_model(interaction={"enabled": True, "depth": 1})
    given = batch(model)._replace(ids=torch.zeros(6, dtype=torch.long))
    logits = model.match(given.text.tokens, given.text.mask, given.video.tokens, given.video.mask)
    torch.testing.assert_close(match_loss(model, given), F.softplus(-logits).mean() / 2)


def test_draws_never_fall_on_an_equal_id_however_unlikely_the_others_are():
    logits = torch.tensor([[0.0, 90.0, 90.0, -60.0, 90.0]])
    ids, mine = torch.tensor([0, 1, 1, 2, 1]), torch.tensor([1])
    picks = {hard_negatives(logits, mine, ids, offset=4, seed=seed)[0].item() for seed in range(300)}
    assert picks == {0}


def test_paths_over_one_picture_are_negatives_only_when_their_captions_say_so():
    """Rows are identities: picture, bytes, motion (0: the caption says nothing)."""
    text, video = unit(4), unit(4, seed=1)
    silent = torch.tensor([[1, 1, 0]] * 3 + [[2, 2, 0]])
    told = torch.tensor([[1, 1, 5], [1, 1, 6], [1, 1, 7], [2, 2, 5]])
    for ids, plain in ((silent, [0, 0, 0, 1]), (told, [0, 1, 2, 3])):
        got = contrastive_loss(text, video, text, video, scale=SCALE, ids_n=ids, all_ids_N=ids)
        assert got.item() == pytest.approx(loop(text, video, torch.tensor(plain)), abs=1e-5)
    logits = torch.tensor([[9.0, 8, 7, 0]]).repeat(4, 1)
    assert hard_negatives(logits, silent, silent)[0].tolist() == [3, 3, 3, 0]
    assert hard_negatives(logits, told, told)[0].tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("ids", [[0, 1, 2, 3, 4], [7, 1, 7, 7, 1]])
def test_the_sigmoid_loss_classifies_every_pair_and_skips_equals(ids):
    text, video, ids = unit(5), unit(5, seed=1), torch.tensor(ids)
    bias = torch.tensor(-3.0)
    wanted = 0.0
    for i in range(5):
        for j in range(5):
            z = 1 if i == j else -1
            if i == j or ids[i] != ids[j]:
                wanted += math.log(1 + math.exp(-z * float(SCALE * text[i] @ video[j] + bias)))
    got = sigmoid_loss(text, video, ids, ids, scale=SCALE, bias=bias)
    assert got.item() == pytest.approx(wanted / 5, abs=1e-5)
    parts = [
        sigmoid_loss(text[i : i + 1], video, ids[i : i + 1], ids, scale=SCALE, bias=bias, offset=i)
        for i in range(5)
    ]
    torch.testing.assert_close(torch.stack(parts).mean(), got)


def test_the_bias_of_the_sigmoid_loss_is_learned_one_for_each_similarity():
    model = tiny_model(logit_bias=-10.0).train()
    scale = model.clip.logit_scale.exp()
    dual_loss(batch(model), scale=scale, center_weight=0.5, bias=model.logit_bias).total.backward()
    assert (model.logit_bias.grad < 0).all()  # at -10 the pairs of six cost the most
    with torch.no_grad():
        given = batch(model)
    plain = dual_loss(given, scale=scale, center_weight=0.5).total
    assert abs(dual_loss(given, scale=scale, center_weight=0.5, bias=model.logit_bias).total - plain) > 1


def test_distillation_teaches_the_dual_encoder_alone_and_stops_where_both_agree(monkeypatch):
    model = tiny_model(interaction={"enabled": True, "depth": 1})
    given = batch(model)
    loss = distill_loss(model, given, given, 3)
    assert loss.item() > 0
    loss.backward()
    assert model.interaction.head.weight.grad is None
    assert model.clip.visual.proj.grad.abs().max() > 0

    def as_dual(text_tokens, text_mask, video_tokens, video_mask):
        texts = [(given.text.tokens == t).flatten(1).all(1).nonzero()[0, 0] for t in text_tokens]
        videos = [(given.video.tokens == v).flatten(1).all(1).nonzero()[0, 0] for v in video_tokens]
        return model.logits(given.text, given.video)[torch.stack(texts), torch.stack(videos)]

    monkeypatch.setattr(model, "match", as_dual)
    assert distill_loss(model, given, given, 3).item() == pytest.approx(0, abs=1e-5)


def test_distillation_is_the_divergence_of_the_dual_choice_from_the_interaction_modules(monkeypatch):
    model = tiny_model(interaction={"enabled": True, "depth": 1})
    given = batch(model)._replace(ids=torch.arange(6))
    taught = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))

    def match(text_tokens, text_mask, video_tokens, video_mask):
        texts = [(given.text.tokens == t).flatten(1).all(1).nonzero()[0, 0] for t in text_tokens]
        videos = [(given.video.tokens == v).flatten(1).all(1).nonzero()[0, 0] for v in video_tokens]
        return taught[torch.stack(texts), torch.stack(videos)]

    monkeypatch.setattr(model, "match", match)
    dual, wanted = model.logits(given.text, given.video).detach(), 0.0
    for teacher, student in ((taught, dual), (taught.T, dual.T)):
        rows = teacher.softmax(1) * (teacher.log_softmax(1) - student.log_softmax(1))
        wanted += rows.sum(1).mean() / 2
    torch.testing.assert_close(distill_loss(model, given, given, 6).detach(), wanted)


def test_distillation_leaves_equals_out_and_takes_what_there_is():
    model = tiny_model(interaction={"enabled": True, "depth": 1})
    given = batch(model)._replace(ids=torch.zeros(6, dtype=torch.long))
    assert distill_loss(model, given, given, 4).item() == pytest.approx(0, abs=1e-6)
    few = batch(model, n=2)
    torch.testing.assert_close(distill_loss(model, few, few, 2), distill_loss(model, few, few, 16))
