import gzip
import io
import json
import tarfile

import pytest
from source_checks import plan_of, read_all, source_of, told

from pipelines.sources.base import read_task
from schemas.errors import ConfigError
from schemas.records import Failure, Reference


def write_tar(path, members, *, end=True, mode="w"):
    """A tar of (name, bytes) members; without `end`, it lacks its end-of-archive mark."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        length = out.tell()
    path.write_bytes(out.getvalue() if end else out.getvalue()[:length])
    return path


def sample(key, caption=None, picture=b"picture", extension="jpg", **about):
    members = [(f"{key}.{extension}", picture + key.encode())]
    members.append((f"{key}.txt", (caption or f"caption {key}").encode()))
    members.append((f"{key}.json", json.dumps({"key": key, "status": "success", **about}).encode()))
    return members


def flat(*samples):
    return [member for members in samples for member in members]


def test_samples_as_img2dataset_writes_them(tmp_path):
    about = {
        "url": "http://x/1.jpg",
        "original_width": 640,
        "original_height": 480,
        "sha256": "ab",
        "exif": "{}",
    }
    write_tar(
        tmp_path / "00000.tar", flat(sample("000000002", **about), sample("000000001", extension="webp"))
    )
    write_tar(tmp_path / "00001.tar", sample("000000001", extension="PNG"))
    items = read_all(source_of(kind="tars", uri=tmp_path / "*.tar"))
    assert [item.key for item in items] == [
        "tars-00000-000000-000000002",
        "tars-00000-000001-000000001",
        "tars-00001-000000-000000001",
    ]
    first = items[0]
    assert isinstance(first, Reference)
    assert (first.captions, first.image, first.url) == (
        ("caption 000000002",),
        b"picture000000002",
        "http://x/1.jpg",
    )
    kept = {"original_width": 640, "original_height": 480, "sha256": "ab", "status": "success"}
    assert first.meta == kept | {"tar": "00000.tar", "key": "000000002"}
    assert first.image_id is not None
    assert told(items)[1:] == ["caption 000000001"] * 2


def test_members_in_any_order_with_strangers_among_them(tmp_path):
    members = [
        ("./deep/a.b.json", b"skipped: ends in b.json"),
        ("deep/a.json", b'{"caption": "from json"}'),
        ("deep/a.npy", b"\x93NUMPY"),
        ("deep/a.jpg", b"picture"),
        ("deep/a.png", b"a second picture"),
        ("b.txt", b"\xef\xbb\xbfb's caption"),
        ("b.jpeg", b"picture b"),
    ]
    first, second = read_all(source_of(kind="tars", uri=write_tar(tmp_path / "a.tar", members)))
    assert isinstance(first, Reference)
    assert (first.key, first.captions, first.image) == (
        "tars-00000-000000-deep-a",
        ("from json",),
        b"picture",
    )
    assert told([second]) == ["b's caption"]


def test_every_sample_that_lacks_something_is_a_failure(tmp_path):
    members = flat(
        sample("good"),
        [("no-caption.jpg", b"picture")],
        [
            ("no-picture.txt", b"caption"),
            ("no-picture.json", b'{"status": "failed_to_download", "error_message": "404"}'),
        ],
        [("blank.jpg", b"picture"), ("blank.txt", b" \n")],
        [
            ("blank-txt.jpg", b"picture"),
            ("blank-txt.txt", b""),
            ("blank-txt.json", b'{"caption": "from json"}'),
        ],
        [("latin.jpg", b"picture"), ("latin.txt", b"caf\xe9")],
        [("empty.jpg", b""), ("empty.txt", b"caption")],
        [("large.jpg", bytes(1001)), ("large.txt", b"caption")],
        [("bad-json.jpg", b"picture"), ("bad-json.txt", b"still fine"), ("bad-json.json", b"{")],
        sample("good"),
        [("中文.jpg", b"picture"), ("中文.txt", b"a key that is no slug")],
    )
    source = source_of(kind="tars", uri=write_tar(tmp_path / "a.tar", members))
    source.picture_bytes = 1000
    items = read_all(source)
    assert told(items) == [
        "caption good",
        "missing_caption",
        "missing_image",
        "empty_caption",
        "from json",
        "not_utf8",
        "empty_body",
        "too_large",
        "still fine",
        "duplicate_key",
        "a key that is no slug",
    ]
    assert "404" in items[2].detail
    assert items[-1].key == "tars-00000-000010"
    assert [item.key for item in items] == sorted(item.key for item in items)


@pytest.mark.parametrize(
    "where", ["inside data", "inside a header", "between samples", "between members", "no end mark"]
)
def test_a_cut_tar_gives_what_came_before_and_one_failure(tmp_path, where):
    samples = [sample(f"k{i}") for i in range(4)]
    whole = write_tar(tmp_path / "a.tar", flat(*samples)).read_bytes()
    sample_bytes = 6 * 512  # three members of a header and a block each
    cut = {
        "inside data": 2 * sample_bytes + 512 + 3,
        "inside a header": 2 * sample_bytes + 100,
        "between samples": 2 * sample_bytes,
        "between members": 2 * sample_bytes + 1024,
        "no end mark": 4 * sample_bytes,
    }[where]
    (tmp_path / "a.tar").write_bytes(whole[:cut])
    items = read_all(source_of(kind="tars", uri=tmp_path / "a.tar"))
    good = 4 if where == "no end mark" else 2
    assert told(items) == [*(f"caption k{i}" for i in range(good)), "unreadable"]
    assert isinstance(items[-1], Failure)
    assert "a.tar" in items[-1].detail
    assert items[-1].key > items[-2].key


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path):
    path = write_tar(tmp_path / "a.tar", flat(sample("k0"), sample("k1"), sample("k2")))
    data = bytearray(path.read_bytes())
    data[6 * 512 + 150] ^= 0xFF  # the checksum field of k1.jpg
    path.write_bytes(data)
    assert told(read_all(source_of(kind="tars", uri=path))) == ["caption k0", "unreadable"]


@pytest.mark.parametrize("data", [b"", b"not a tar at all" * 100])
def test_what_is_no_tar_is_one_failure_and_the_others_go_on(tmp_path, data):
    (tmp_path / "a.tar").write_bytes(data)
    write_tar(tmp_path / "b.tar", sample("k"))
    assert told(read_all(source_of(kind="tars", uri=tmp_path / "*.tar"))) == ["unreadable", "caption k"]


def test_a_header_that_claims_gigabytes_is_not_read(tmp_path):
    info = tarfile.TarInfo("long")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 8_000_000_000
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    assert told(read_all(source_of(kind="tars", uri=tmp_path / "a.tar"))) == ["unreadable"]


def test_compressed_tars_links_and_folders(tmp_path):
    link, folder = tarfile.TarInfo("k.jpg"), tarfile.TarInfo("k.txt")
    link.type, link.linkname, folder.type = tarfile.SYMTYPE, "/etc/passwd", tarfile.DIRTYPE
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info in (link, folder):
            tar.addfile(info)
        for name, data in sample("good"):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(out.getvalue()))
    assert told(read_all(source_of(kind="tars", uri=tmp_path / "a.tar.gz"))) == ["caption good"]
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(out.getvalue())[:-30])
    assert told(read_all(source_of(kind="tars", uri=tmp_path / "a.tar.gz")))[-1] == "unreadable"


def test_the_plan_estimates_by_stats_or_size_and_is_exact_under_a_limit(tmp_path):
    for i in range(3):
        write_tar(tmp_path / f"0000{i}.tar", flat(*(sample(f"{i}{j}") for j in range(3))))
    (tmp_path / "00001_stats.json").write_text('{"count": 5, "successes": 3}')
    (tmp_path / "00002_stats.json").write_text("{broken")
    tasks = plan_of(source_of(kind="tars", uri=tmp_path / "*.tar"))
    assert [(task.samples, task.exact) for task in tasks] == [(1, False), (3, False), (1, False)]
    limited = source_of(kind="tars", uri=tmp_path / "*.tar", limit=4)
    assert [(task.samples, task.exact) for task in plan_of(limited)] == [(3, True), (1, True)]
    assert told(read_all(limited)) == ["caption 00", "caption 01", "caption 02", "caption 10"]


def test_a_tar_that_vanishes_ends_the_job(tmp_path):
    source = source_of(kind="tars", uri=write_tar(tmp_path / "a.tar", sample("k")))
    (task,) = plan_of(source)
    (tmp_path / "a.tar").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.tar: cannot be read"):
        list(read_task(source, task))
    with pytest.raises(ConfigError, match=r"source\.uri: .*a\.tar: no such file"):
        list(source.plan())


def pair(key, extension="jpg"):
    return [(f"{key}.{extension}", b"picture"), (f"{key}.txt", f"caption {key}".encode())]


@pytest.mark.parametrize(
    ("members", "told_"),
    [
        (
            flat(pair("22.05"), pair("22.06"), pair("23.10")),
            ["caption 22.05", "caption 22.06", "caption 23.10"],
        ),
        (
            flat(pair("a"), [("a.seg.png", b"mask"), ("a.cls.txt", b"7")], pair("b")),
            ["caption a", "caption b"],
        ),
        (
            flat([("a.cls.txt", b"7"), ("a.seg.png", b"mask")], pair("a"), pair("b")),
            ["caption a", "caption b"],
        ),
        (flat([("22.05.jpg", b"p")], pair("22.06")), ["missing_caption", "caption 22.06"]),
        (flat([("22.05.txt", b"c"), ("22.06.jpg", b"p")]), ["missing_image", "missing_caption"]),
        (flat(pair("k.v1/a"), pair("k.v1/b")), ["caption k.v1/a", "caption k.v1/b"]),
        (flat(pair("a"), [("._a.jpg", b"resource fork"), ("README", b"x")]), ["caption a"]),
        (flat(pair("a", "heic"), pair("b", "GIF")), ["caption a", "caption b"]),
        (flat([("a.gif", b"g"), *pair("a")]), ["caption a"]),
        ([("a.npy", b"x"), ("b.npy", b"y")], ["unreadable"]),
        ([], []),
    ],
)
def test_every_sample_counts_whatever_its_key_and_kind(tmp_path, members, told_):
    path = write_tar(tmp_path / "a.tar", members)
    items = read_all(source_of(kind="tars", uri=path))
    assert told(items) == told_
    assert [item.key for item in items] == sorted(item.key for item in items)
    pictures = {item.image for item in items if isinstance(item, Reference)}
    assert pictures <= {b"picture"}


@pytest.mark.parametrize(
    "data",
    [
        b"\x1f\x8b\x08",
        b"\x1f\x8b" + bytes(100),
        b"BZh9" + bytes(100),
        b"\xfd7zXZ\x00" + bytes(100),
        gzip.compress(bytes(100_000))[:-8],
    ],
)
def test_damaged_compression_is_one_failure_that_names_the_tar(tmp_path, data):
    (tmp_path / "a.tar").write_bytes(data)
    write_tar(tmp_path / "b.tar", sample("k"))
    items = read_all(source_of(kind="tars", uri=tmp_path / "*.tar"))
    assert told(items)[-1] == "caption k"
    if len(items) == 2:
        assert "a.tar" in items[0].detail


def test_text_that_utf8_cannot_hold_never_reaches_a_record(tmp_path):
    about = (
        b'{"caption": "a \\ud800 b", "url": "http://\\udfff/", "status": "\\ud800", "original_width": %d}'
        % 10**30
    )
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", errors="surrogateescape") as tar:
        for name, data in (("\udcff.jpg", b"picture"), ("\udcff.json", about)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    (tmp_path / "a.tar").write_bytes(out.getvalue())
    (item,) = read_all(source_of(kind="tars", uri=tmp_path / "a.tar"))
    assert isinstance(item, Reference)
    json.dumps([item.captions, item.url, dict(item.meta)], ensure_ascii=False).encode()
    assert "original_width" not in item.meta


def test_boxes_of_key_json_are_kept_on_request(tmp_path):
    write_tar(tmp_path / "0.tar", flat(sample("a", boxes=[[1, 2, 3, 4]]), sample("b"), sample("c", boxes=7)))
    first, second, third = read_all(source_of(kind="tars", uri=tmp_path / "0.tar", boxes="boxes"))
    assert first.meta["boxes"] == [[1.0, 2.0, 3.0, 4.0]]
    assert "boxes" not in second.meta
    assert isinstance(third, Failure)
    assert "boxes" not in read_all(source_of(kind="tars", uri=tmp_path / "0.tar"))[0].meta


@pytest.fixture
def mixed(tmp_path) -> str:
    """A large tar between small ones, and one that breaks off."""
    for number, count in enumerate((2, 3, 40, 2)):
        samples = (sample(f"{number}-{i}", picture=b"p" * 100_000) for i in range(count))
        write_tar(tmp_path / f"{number:05d}.tar", flat(*samples))
    broken = write_tar(
        tmp_path / "00004.tar", flat(*(sample(f"b-{i}", picture=b"p" * 100_000) for i in range(30)))
    )
    broken.write_bytes(broken.read_bytes()[:2_500_000])
    return str(tmp_path / "*.tar")


def test_tars_are_split_and_joined_into_tasks_of_about_equal_size(mixed):
    whole = read_all(source_of(kind="tars", uri=mixed))
    source = source_of(kind="tars", uri=mixed, task_bytes=1_000_000)
    tasks = plan_of(source)
    assert [task.index for task in tasks] == list(range(len(tasks)))
    assert "pieces" in tasks[0].payload
    assert len(tasks) > 8
    parts = [list(read_task(source, task)) for task in tasks]
    assert [item for part in parts for item in part] == whole, "the same inputs under the same keys, in order"
    assert sum(isinstance(item, Failure) for item in whole) == 1, "the broken tar is one failure, in one task"
    assert [task.payload["tar"] for task in tasks[1:5]] == [2] * 4
    sizes = [len(part) for part in parts]
    assert max(sizes) <= 27, "the estimate of a sample is 40 kB, and these have 100 kB"


def test_a_wrong_estimate_loses_no_sample(tmp_path):
    tar = write_tar(
        tmp_path / "00000.tar", flat(*(sample(f"{i}", picture=b"p" * 100_000) for i in range(40)))
    )
    for successes in (8, 40, 300):
        tar.with_name("00000_stats.json").write_text(json.dumps({"successes": successes}))
        source = source_of(kind="tars", uri=tar, task_bytes=1_000_000)
        items = [item for task in plan_of(source) for item in read_task(source, task)]
        assert items == read_all(source_of(kind="tars", uri=tar))


def test_the_size_of_tasks_changes_the_plan_only_where_it_is_set(mixed):
    plain, sized = source_of(kind="tars", uri=mixed), source_of(kind="tars", uri=mixed, task_bytes=10**9)
    assert len(plan_of(plain)) == 5
    assert len(plan_of(sized)) == 1
    assert plain.fingerprint().items() < sized.fingerprint().items()
    with pytest.raises(ConfigError, match="task_bytes has no effect with limit"):
        source_of(kind="tars", uri=mixed, task_bytes=10**9, limit=3)
    with pytest.raises(ConfigError, match="task_bytes"):
        source_of(kind="folder", uri=mixed, task_bytes=10**9)


def test_files_that_macos_adds_part_no_sample(tmp_path):
    members = []
    for name, data in flat(sample("a"), sample("b")):
        members += [(f"._{name}", b"\0\5\x16\7"), (name, data)]
    write_tar(tmp_path / "a.tar", members)
    items = read_all(source_of(kind="tars", uri=tmp_path / "a.tar"))
    assert [(item.key[-1], item.captions) for item in items] == [("a", ("caption a",)), ("b", ("caption b",))]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_tars_that_were_joined_byte_by_byte_are_not_lost_in_silence(tmp_path, pack):
    write_tar(tmp_path / "a", sample("a"))
    write_tar(tmp_path / "b", sample("b"))
    joined = (tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes()
    (tmp_path / "ab.tar").write_bytes(pack(joined))
    first, second = read_all(source_of(kind="tars", uri=tmp_path / "ab.tar"))
    assert first.captions == ("caption a",)
    assert isinstance(second, Failure)
    assert "ab.tar: " in second.detail
    assert "several tars in one file" in second.detail


@pytest.mark.parametrize(
    ("data", "kind"), [(b"PK\3\4" + bytes(2000), "a zip"), (b"\x28\xb5\x2f\xfd" + bytes(99), "Zstandard")]
)
def test_another_archive_is_named(tmp_path, data, kind):
    (tmp_path / "a.tar").write_bytes(data)
    (failure,) = read_all(source_of(kind="tars", uri=tmp_path / "a.tar"))
    assert kind in failure.detail


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[" * 50_000, "nested too deeply"),
        (b'["a"]', "it is no object"),
        (b'{"caption": 5}', "caption in json"),
        (b"{'caption': 'x'}", "Expecting property name"),
    ],
)
def test_a_damaged_key_json_is_named_where_it_costs_the_caption(tmp_path, data, words):
    write_tar(tmp_path / "a.tar", [("a.jpg", b"picture"), ("a.json", data)])
    (failure,) = read_all(source_of(kind="tars", uri=tmp_path / "a.tar"))
    assert failure.reason == "missing_caption"
    assert words in failure.detail


@pytest.mark.parametrize("name", ["caption", "captions", "text"])
def test_key_json_may_hold_captions_under_the_usual_names(tmp_path, name):
    about = {"caption": None, name: ["one", " ", "two"]}
    members = [("a.jpg", b"x"), ("a.json", json.dumps(about).encode())]
    members += [("b.jpg", b"y"), ("b.json", json.dumps({name: "three"}).encode()), ("b.txt", b"four")]
    write_tar(tmp_path / "a.tar", members)
    items = read_all(source_of(kind="tars", uri=tmp_path / "a.tar"))
    assert [item.captions for item in items] == [("one", "two"), ("four",)]


def test_a_picture_and_a_caption_that_are_named_as_parts_are_one_sample(tmp_path):
    """As webdataset's writer names them: {"__key__": "a", "input.jpg": ..., "output.txt": ...}."""
    members = [("a.input.jpg", b"A"), ("a.output.txt", b"one"), ("b.caption.txt", b"two")]
    members += [("b.caption.json", b"{}"), ("b.Image.png", b"B")]
    members += [("c.image.jpg", b"C"), ("c.img.jpg", b"C"), ("c.text.txt", b"three")]
    members += [("d.cat.jpg", b"D"), ("d.dog.txt", b"four"), ("e.text.txt", b"five"), ("e.dog.jpg", b"E")]
    write_tar(tmp_path / "a.tar", members)
    items = read_all(source_of(kind="tars", uri=tmp_path / "a.tar"))
    found = [(item.meta["key"], item.image, item.captions) for item in items if isinstance(item, Reference)]
    assert found == [("a", b"A", ("one",)), ("b", b"B", ("two",))]
    failed = [item.detail.partition(" ")[0] for item in items if isinstance(item, Failure)]
    assert failed == ["c.image", "c.img", "c.text", "d.cat", "d.dog", "e.text", "e.dog"]


def test_parts_are_joined_only_where_no_other_sample_shares_their_name(tmp_path):
    members = [("a.05.jpg", b"A"), ("a.05.txt", b"one"), ("a.input.jpg", b"A"), ("a.output.txt", b"two")]
    members += [("b.input.jpg", b"B"), ("b.output.txt", b"three")]
    members += [("c.caption.txt", b"four"), ("c.image.jpg", b"C"), ("c.image.txt", b"five")]
    write_tar(tmp_path / "a.tar", members)
    items = read_all(source_of(kind="tars", uri=tmp_path / "a.tar"))
    found = [(item.meta["key"], item.captions) for item in items if isinstance(item, Reference)]
    assert found == [("a.05", ("one",)), ("b", ("three",)), ("c.image", ("five",))]
    failed = [item.detail.partition(" ")[0] for item in items if isinstance(item, Failure)]
    assert failed == ["a.input", "a.output", "c.caption"]
