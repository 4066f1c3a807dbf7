import torch

from trainer.model.features import VideoFeatures


def made(tab: bool = True) -> VideoFeatures:
    rows_MD = torch.arange(8.0).view(4, 2)
    return VideoFeatures(rows_MD, rows_MD + 10 if tab else None, rows_MD[:, None] + 20, torch.ones(4, 1))


def test_a_subset_takes_the_same_rows_of_every_feature():
    part = made()[torch.tensor([2, 0])]
    assert type(part) is VideoFeatures
    assert part.global_.tolist() == [[4, 5], [0, 1]]
    assert part.tab is not None
    assert part.tab.tolist() == [[14, 15], [10, 11]]
    assert part.tokens.tolist() == [[[24, 25]], [[20, 21]]]
    assert (len(part), len(made()[1:3]), len(part.mask)) == (2, 2, 2)


def test_features_without_tab_stay_without_it():
    assert made(tab=False)[1:].tab is None
    assert made(tab=False).to("cpu").tab is None
