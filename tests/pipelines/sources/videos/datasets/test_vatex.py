import json
from pathlib import Path

from video_lists import planned

ITEMS = [{"videoID": f"v{i}_000001_000011", "enCap": [f"en {i}"], "chCap": [f"zh {i}"]} for i in range(2)]
FILES = ["v0_000001_000011.mp4", "v1_000001_000011.webm"]


def test_each_language_and_list(tmp_path: Path) -> None:
    path = tmp_path / "vatex.json"
    path.write_text(json.dumps(ITEMS))
    (tmp_path / "val_list.txt").write_text("v1_000001_000011.mp4\nv9\n")
    everything = planned(tmp_path, FILES, kind="vatex", annotations=path)
    assert [row[1:] for row in everything] == [("en 0",), ("en 1",)]
    chinese = planned(tmp_path, FILES, kind="vatex", annotations=path, language="zh", split="val")
    assert [row[1] for row in chinese] == ["zh 1", "missing_caption"]
