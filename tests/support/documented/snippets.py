"""The Python that the pages show, and what each piece of it needs."""

from __future__ import annotations

from dataclasses import dataclass

from documented.lines import FENCE, PAGES, ROOT


@dataclass(frozen=True)
class Needs:
    """How a block of Python is run. `replace` makes it small or fills a gap."""

    mark: str  # a text in the block, which no other block has
    files: str = ""  # names that it reads, as in a command
    before: str = ""  # code that defines the names which the page leaves to the reader
    replace: tuple[tuple[str, str], ...] = ()
    after: str = ""  # code that asserts what came out
    elsewhere: str = ""  # the test that runs it instead


PICTURE = "import numpy as np; picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)"
CLASSIFIER = """
import numpy as np, torch
def make_model(): return torch.nn.Linear(3, 1)
def prepare(image_HWC): return torch.from_numpy(image_HWC.mean((0, 1))).float()
torch.save(make_model().state_dict(), "nsfw.pt")
"""
CACHE = "import datasets; datasets.config.HF_DATASETS_CACHE = 'cache'"

SNIPPETS = (
    Needs(
        "zoetrope.render_batch",
        before=f"{PICTURE}; image_HWC = picture; images = [picture, picture[:40]]",
        replace=(("clips = ", "quads = [quads_T42] * 2; clips = "), ('"cuda"', '"cpu"')),
        after="assert frames_THWC.shape == clips[1].shape == (len(quads_T42), 224, 224, 3)",
    ),
    Needs("class Nsfw", before=CLASSIFIER, after="assert 0 < Nsfw()(np.zeros((8, 8, 3), np.uint8)) < 1"),
    Needs("json_normalize", "scored/", after="assert list(scores) == ['picture_blur'] and len(scores) == 8"),
    Needs("class CaptionedPaths", after="assert CaptionedPaths.plan"),
    Needs("class CaptionedIds", after="assert CaptionedIds.entries"),
    Needs("class Bright", after="assert Bright().least == 10"),
    Needs("WriteShards(Animator", elsewhere="tests/pipelines/test_extending.py"),
    Needs('load_dataset("clips/"', "clips/", CACHE, after="assert len(clips) == 8"),
    Needs('easing="ease_out")', after="assert quads_T42.shape[1:] == (4, 2)"),
    Needs('@motion("dolly"', after="assert dolly and sway"),
    Needs("optimizer.zero_grad()", elsewhere="tests/trainer/data/test_clip_dataset.py"),
    Needs("shown.save", "cat.jpg dog.jpg", after="assert open('pan.gif', 'rb').read(3) == b'GIF'"),
    Needs(
        "not in dropped",
        "clips/",
        "import zoetrope; open('drop.txt', 'w').write('folder-00000000-photo\\n')",
        after="assert len(list(clips)) == 7",
    ),
    Needs("RunStats(command", "clips/", after="assert b'...' in open('clips/report.html', 'rb').read()"),
    Needs("open_index", "index/ clips/", f"{PICTURE}; picture_HWC = picture", after="assert hit.rank == 5"),
    Needs("wids.ShardListDataset", "clips/", CACHE, (("00331", "00007"),)),
    Needs("zoetrope.decode_clip", "clips/", after="assert frames[0].shape == (8, 128, 128, 3)"),
)


def python_blocks(page: str) -> list[str]:
    """The Python blocks of a page, given by its path from the root, in order."""
    return [
        body for language, body in FENCE.findall((ROOT / page).read_text()) if language in ("python", "py")
    ]


def all_blocks() -> list[tuple[str, str]]:
    """(page, code) of every block of Python that the pages show."""
    pages = [str(page.relative_to(ROOT)) for page in PAGES]
    return [(page, code) for page in pages for code in python_blocks(page)]
