"""The command: config, plan, errors in one line, help; the clips of a run are those of the pure function."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.animate import animate, make_job, source_of
from pipelines.config import AnimateConfig
from pipelines.sources.base import make_source
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.shards.read import iter_shard
from storage.tables import iter_rows
from transforms.clip import rerender
from zoetrope import cli
from zoetrope.samples import write_coco

CONFIGS = Path(__file__).parents[2] / "configs" / "animate"


@pytest.fixture(scope="module")
def coco(tmp_path_factory) -> list[str]:
    annotations, images = write_coco(tmp_path_factory.mktemp("coco"), 12)
    return [f"source.annotations={annotations}", f"source.images={images}"]


def command(coco: list[str], output: Path, *more: str) -> int:
    return cli.main(
        ["animate", "--config", str(CONFIGS / "coco.yaml"), *coco, f"output={output}", "clip.size=48", *more]
    )


def test_every_clip_can_be_rendered_again_from_its_json_and_its_picture(coco, tmp_path):
    assert command(coco, tmp_path / "clips", "shard.max_samples=5") == 0
    samples = [
        sample for path in sorted((tmp_path / "clips").glob("*.tar")) for sample in iter_shard(str(path))
    ]
    assert [sample.key for sample in samples] == [
        row["key"] for row in iter_rows(str(tmp_path / "clips"), SAMPLES_FILE)
    ]
    assert len(samples) == 12
    images = Path(coco[1].partition("=")[2])
    for sample in samples:
        meta = sample.meta()
        (picture,) = images.glob(f"*{int(sample.key.rpartition('-')[2]):012d}.jpg")
        assert rerender(meta, picture.read_bytes()).members == sample.members


@pytest.mark.parametrize("store", ["still", "mp4"])
def test_other_stores(coco, tmp_path, store):
    assert command(coco, tmp_path / "clips", f"store={store}") == 0
    (sample, *rest) = iter_shard(str(tmp_path / "clips" / "00000.tar"))
    assert list(sample.members) == [{"still": "jpg", "mp4": "mp4"}[store], "txt", "json"]
    assert len(rest) == 11


def test_threads_change_nothing(coco, tmp_path):
    assert command(coco, tmp_path / "one", "workers=1") == 0
    assert command(coco, tmp_path / "many", "workers=6") == 0
    assert (tmp_path / "one" / "00000.tar").read_bytes() == (tmp_path / "many" / "00000.tar").read_bytes()


def test_the_dry_run_tells_the_plan_and_writes_nothing(coco, tmp_path, capsys):
    assert command(coco, tmp_path / "clips", "--dry-run", "shard.max_samples=5") == 0
    out = capsys.readouterr().out
    assert "coco: 12 inputs" in out
    assert "3 tasks (a shard each), 3 to be made" in out
    assert "coco-000000000009, " in out
    assert "kB a sample" in out
    assert not (tmp_path / "clips").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sede=3", "unknown field sede; the nearest known field is seed"),
        ("clip.frames=0", "clip.frames = 0 is not allowed: it must be >= 1 and <= 999"),
        ("store=gif", "store = 'gif' is not allowed: it must be one of frames, mp4, still"),
        ("motions=[zoom_inn]", "zoom_in"),
        ("source.images=/nowhere", "/nowhere"),
        ("output=", "output = '' is not allowed: it must be text, length >= 1"),
        ("filters=nomodule:f", "filters: nomodule:f cannot be imported"),
        ("workers=0", "workers = 0 is not allowed"),
        ("--workers", "unrecognized arguments: --workers; it is a field: write workers=VALUE"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(coco, tmp_path, capsys, override, message):
    assert command(coco, tmp_path / "clips", override) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "clips").exists()


def test_help_lists_every_field(capsys):
    assert cli.main(["animate", "--help-all"]) == 0
    out = capsys.readouterr().out
    for field in ("source.uri", "output", "store", "seed", "workers", "device", "motions", "clip.size", "shard.max_bytes",
                  "fetch.deadline", "fetch.allow_private", "max_failure_ratio", "overwrite", "filters"):  # fmt: skip
        assert f"  {field}  (" in out


@pytest.mark.parametrize("field", ["workers", "output", "max_failure_ratio", "fetch"])
def test_what_changes_no_byte_is_not_in_the_fingerprint(coco, tmp_path, field):
    values = {
        "source": {"kind": "coco", **{o.partition("=")[0][7:]: o.partition("=")[2] for o in coco}},
        "output": str(tmp_path),
    }
    other = {"workers": 3, "output": str(tmp_path / "x"), "max_failure_ratio": 0.5, "fetch": {"deadline": 3}}
    configs = [AnimateConfig.make(values), AnimateConfig.make({**values, field: other[field]})]
    jobs = [make_job(config, make_source(config.source, shard_samples=1000)) for config in configs]
    assert jobs[0].fingerprint == jobs[1].fingerprint
    seeded = AnimateConfig.make({**values, "seed": 1})
    assert make_job(seeded, make_source(seeded.source, shard_samples=1000)).fingerprint != jobs[0].fingerprint


def test_as_a_function(coco, tmp_path):
    import zoetrope

    assert zoetrope.animate is animate
    values = {"source": {"kind": "coco", **{o.partition("=")[0][7:]: o.partition("=")[2] for o in coco}}}
    result = animate(AnimateConfig.make({**values, "output": str(tmp_path / "clips"), "clip": {"size": 32}}))
    assert (result.written, result.failed, result.exit_code) == (12, 0, 0)


def refused(tmp_path) -> str:
    (tmp_path / "a.tsv").write_text("a cat\thttp://127.0.0.1:9/1.jpg\na dog\thttp://169.254.169.254/2.jpg\n")
    return f"source.uri={tmp_path}/a.tsv"


def test_a_job_in_which_every_input_failed_exits_1_and_writes_its_report(tmp_path, capsys):

    arguments = ["animate", "source.kind=cc3m", refused(tmp_path), f"output={tmp_path}/out", "workers=1"]
    assert cli.main(arguments) == 1
    said = capsys.readouterr()
    assert "no input became a clip" in said.out + said.err
    assert (tmp_path / "out" / "report.html").exists()
    rows = list(iter_rows(str(tmp_path / "out"), FAILURES_FILE))
    assert [row["reason"] for row in rows] == ["refused_address", "refused_address"]
    assert all("fetch.allowed_networks=[" in row["detail"] for row in rows)
    assert cli.main([*arguments, "max_failure_ratio=1"]) == 0  # as was asked for


def test_a_job_without_an_input_exits_1_and_writes_its_report(tmp_path, capsys):
    import tarfile

    with tarfile.open(tmp_path / "a.tar", "w"):
        pass
    arguments = [
        "animate",
        "source.kind=tars",
        f"source.uri={tmp_path}/a.tar",
        f"output={tmp_path}/out",
        "workers=1",
    ]
    assert cli.main([*arguments, "max_failure_ratio=1"]) == 1
    said = capsys.readouterr()
    assert "the source holds no inputs of its kind" in said.out + said.err
    assert (tmp_path / "out" / "report.html").exists()


# Fields of the config that decide bytes, in outputs of every version so far.
IDENTITY = {
    *(
        "captions.max_length",
        "captions.motion_phrases",
        "captions.pick",
        "clip.fps",
        "clip.frames",
        "clip.size",
    ),
    *("device", "encode.format", "encode.quality", "encode.still_for", "encode.still_quality", "filters"),
    *("motions", "pictures.max_aspect", "pictures.max_pixels", "pictures.min_side", "seed"),
    *("shard.max_bytes", "shard.max_samples", "source.boxes", "source.caption_column", "source.image_column"),
    *("source.kind", "source.limit", "source.options", "source.revision", "source.split", "source.subset"),
    *("source.task_bytes", "source.url_column", "store", "version", "video.crf", "video.preset"),
}


def test_a_job_of_another_version_is_continued_unless_a_new_field_is_set(coco):
    """A new field at its default must not be in the identity: outputs that lack it could not be resumed."""
    values = dict(field.split("=") for field in coco)
    places = {name.removeprefix("source."): value for name, value in values.items()}
    config = AnimateConfig.make({"source": {"kind": "coco", **places}, "output": "x"})
    found = source_of(config)
    names = make_job(config, found).identity.keys()
    source = {f"source.{name}" for name in found.fingerprint()}
    assert set(names) == IDENTITY | source


def test_kept_columns_are_part_of_the_identity(tmp_path):
    (tmp_path / "a.csv").write_text("url,caption,score\nhttp://a.org/1,a,1\n")
    source = {"kind": "urls", "uri": str(tmp_path / "a.csv"), "keep": ["score"]}
    config = AnimateConfig.make({"source": source, "output": "x"})
    identity = make_job(config, source_of(config)).identity
    assert identity["source.keep"] == ["score"]
