"""The studio's search over a real index: it finds what `zoetrope.commands.model.search` finds; no request names a
file.
"""

import asyncio
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image
from tiny_index import spoil

from preview.studio.pictures import PictureBook
from preview.studio.search import IndexSearcher
from preview.studio.server import make_app
from preview.studio.state import Studio
from schemas.errors import ConfigError
from zoetrope.commands.studio import main


@pytest.fixture(scope="module")
def clips(tmp_path_factory, make_output):
    return Path(make_output(tmp_path_factory.mktemp("searched") / "clips", store="still"))


@pytest.fixture(scope="module")
def searched(clips, tiny_index):
    return tiny_index(clips)


def ask(searcher, *paths):
    async def run():
        async with TestClient(TestServer(make_app(Studio(PictureBook(), searcher=searcher)))) as client:
            answers = [await client.get(path) for path in paths]
            return [(answer.status, await answer.read()) for answer in answers]

    return asyncio.run(run())


def test_coarse_and_reranked_are_what_the_index_says(searched):
    from trainer.index.search import open_index

    ((status, body),) = ask(IndexSearcher(str(searched)), "/api/search?text=number+three&count=4")
    values = json.loads(body)
    index = open_index(searched)
    coarse, fine = index.search("number three", top=4, rerank=False), index.search("number three", top=4)
    assert status == 200
    assert [one["key"] for one in values["coarse"]] == [hit.key for hit in coarse]
    assert [one["cosine"] for one in values["coarse"]] == [hit.coarse for hit in coarse]
    assert [(one["key"], one["coarse_rank"]) for one in values["reranked"]] == [
        (hit.key, hit.coarse_rank) for hit in fine
    ]
    assert [one["match"] for one in values["reranked"]] == pytest.approx([hit.match for hit in fine])
    assert values["coarse"][0]["captions"] == list(coarse[0].captions)
    assert values["coarse"][0]["shard"].endswith(".tar")
    assert str(searched.parent) not in body.decode()


def test_a_diverged_model_is_told_in_one_line(searched, tmp_path):
    shutil.copytree(searched, tmp_path / "index")
    spoil(tmp_path / "index" / "model", "interaction.norm.weight")
    ((status, body),) = ask(IndexSearcher(str(tmp_path / "index")), "/api/search?text=x")
    assert status == 400
    assert "match is not finite" in json.loads(body)["error"]


def test_a_clip_that_was_found_moves_and_no_other_is_served(searched):
    searcher = IndexSearcher(str(searched))
    found = searcher.find("a picture", 3).coarse[1]
    moving, still, unknown, path = ask(
        searcher,
        f"/api/search/{found.id}/clip",
        f"/api/search/{found.id}/clip?still=1",
        f"/api/search/{'0' * 32}/clip",
        "/api/search/..%2f..%2fetc%2fpasswd/clip",
    )
    with Image.open(io.BytesIO(moving[1])) as image:
        assert (image.n_frames, image.size) == (4, (64, 48))
        first = np.asarray(image.convert("RGB"))
    with Image.open(io.BytesIO(still[1])) as image:
        assert getattr(image, "n_frames", 1) == 1
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), first)
    assert unknown[0] == 400
    assert path[0] in (400, 404)


def test_an_index_without_a_reranker_gives_coarse_alone(clips, tiny_index):
    values = json.loads(
        ask(IndexSearcher(str(tiny_index(clips, reranker=False))), "/api/search?text=a+picture")[0][1]
    )
    assert len(values["coarse"]) == 12
    assert values["reranked"] is None


def test_a_shard_that_has_gone_is_told_and_the_rest_is_found(tmp_path, make_output, tiny_index):
    shards = Path(make_output(tmp_path / "clips", shards=1, each=2))
    searcher = IndexSearcher(str(tiny_index(shards)))
    found = searcher.find("a picture", 2).coarse[0]
    (shards / "00000.tar").unlink()
    ((status, body),) = ask(searcher, f"/api/search/{found.id}/clip")
    assert status == 500
    assert "cannot be read" in json.loads(body)["error"]
    assert str(tmp_path) not in body.decode()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "type a text"),
        ("text=+", "type a text"),
        ("text=a&count=0", "1 to 50"),
        ("text=a&count=99", "1 to 50"),
    ],
)
def test_what_cannot_be_searched_is_one_line(searched, query, words):
    ((status, body),) = ask(IndexSearcher(str(searched)), f"/api/search?{query}")
    assert status == 400
    assert words in json.loads(body)["error"]


def test_a_folder_that_is_no_index_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="zoetrope index") as caught:
        main(["--port", "0", "--index", str(tmp_path)])
    assert "\n" not in str(caught.value)


def test_a_part_that_is_broken_is_told_when_it_is_searched(tmp_path, searched):
    import shutil

    copied = tmp_path / "index"
    shutil.copytree(searched, copied)
    next(copied.glob("parts/*/vectors.npy")).write_bytes(b"no array")
    ((status, body),) = ask(IndexSearcher(str(copied)), "/api/search?text=a")
    assert status == 400
    assert "index" in json.loads(body)["error"]


def test_the_trainer_is_loaded_for_an_index_alone():
    code = "import sys, preview.studio.server, preview.studio.search; print(*(m in sys.modules for m in ('trainer', 'torch')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
