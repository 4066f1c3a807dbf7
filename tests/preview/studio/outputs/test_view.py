import io
import json

import pytest
from PIL import Image
from studio_requests import ask, get

from preview.studio.outputs.view import OutputView
from preview.studio.pictures import PictureBook
from preview.studio.state import Studio
from schemas.errors import ConfigError


def test_shards_are_paged_and_filtered(output):
    studio = Studio(PictureBook(), [OutputView(output)])
    page = json.loads(get(studio, "/api/outputs/0/page?start=5&count=4")[1])
    assert page["total"] == 12
    assert [row["key"] for row in page["rows"]] == [f"{i:07d}" for i in range(5, 9)]
    assert [row["position"] for row in page["rows"]] == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("caption=NUMBER%201", [1, 10, 11]),
        ("motion=zoom_in", [0, 2, 3, 5, 6, 8, 9, 11]),
        ("motion=rotate_cw%2Bzoom_in", [2, 5, 8, 11]),
        ("motion=zoom_in&caption=number%203", [3]),
        ("source=coco", []),
        ("caption=.*", []),
    ],
)
def test_filters(output, query, keys):
    studio = Studio(PictureBook(), [OutputView(output)])
    rows = json.loads(get(studio, f"/api/outputs/0/page?{query}&count=100")[1])["rows"]
    assert [int(row["key"]) for row in rows] == keys


@pytest.mark.parametrize("store", ["frames", "still"])
def test_clips_move_and_tell_their_story(tmp_path, make_output, store):
    studio = Studio(PictureBook(), [OutputView(make_output(tmp_path / "clips", store=store))])
    clip, still, details, missing = ask(
        studio,
        ("GET", "/api/outputs/0/clip?position=7", {}),
        ("GET", "/api/outputs/0/clip?position=7&still=1", {}),
        ("GET", "/api/outputs/0/details?position=7", {}),
        ("GET", "/api/outputs/0/clip?position=12", {}),
    )
    with Image.open(io.BytesIO(clip[1])) as image:
        assert (image.n_frames, image.size) == (4, (64, 48))
    with Image.open(io.BytesIO(still[1])) as image:
        assert getattr(image, "n_frames", 1) == 1
    assert json.loads(details[1])["key"] == "0000007"
    assert len(json.loads(details[1])["quads"]) == 4
    assert missing[0] == 400


def test_overview_counts(output):
    values = json.loads(get(Studio(PictureBook(), [OutputView(output)]), "/api/outputs/0/overview")[1])
    assert (values["samples"], values["shards"], values["failed"]) == (12, 3, 6)
    assert values["motions"] == {"zoom_in": 4, "pan_left": 4, "rotate_cw+zoom_in": 4}
    assert [(f["reason"], f["count"]) for f in values["failures"]] == [("http_404", 5), ("corrupt", 1)]
    assert values["failures"][0]["advice"].startswith("the picture was removed; what to do: ")


@pytest.mark.parametrize("name", ["../secret.tar", "/etc/passwd", "sub/00000.tar", "link.tar"])
def test_a_table_cannot_lead_out_of_its_folder(tmp_path, make_output, name):
    import pyarrow as pa
    import pyarrow.parquet as pq

    output = make_output(tmp_path / "clips")
    (tmp_path / "secret.tar").write_bytes((tmp_path / "clips" / "00000.tar").read_bytes())
    (tmp_path / "clips" / "link.tar").symlink_to(tmp_path / "secret.tar")
    table = pq.read_table(f"{output}/samples.parquet")
    table = table.set_column(1, "shard", pa.array([name] * table.num_rows))
    pq.write_table(table, f"{output}/samples.parquet")
    assert get(Studio(PictureBook(), [OutputView(output)]), "/api/outputs/0/clip?position=0")[0] == 400


def test_a_folder_that_is_no_output_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"samples\.parquet"):
        OutputView(str(tmp_path))
