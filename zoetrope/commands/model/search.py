"""`zoetrope search`: the clips of an index that fit a text, a picture or a video.

The dual encoder finds candidates, and the interaction module re-ranks them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from schemas.text import one_line
from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

if TYPE_CHECKING:
    from trainer.index.searcher import Hit, SearchIndex

EXAMPLES = """examples:
  zoetrope search index/ "a dog catches a frisbee"
  zoetrope search index/ --image dog.jpg --top 20 --html found.html
  zoetrope search index/ --video dog.mp4 --top 20
  zoetrope search index/ "a dog catches a frisbee" --json --no-rerank"""
SHOWN = 500  # characters of a caption
LOG = logging.getLogger(__name__)


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 a shard is broken, numbers of the model are not finite, or too little memory."""
    args = _parser().read(argv)
    with loading():
        from trainer.index.search import open_index, read_picture, read_video
    found = open_index(args.index, device=args.device)
    image = video = None
    if args.image is not None:
        image = read_picture(args.image)
    if args.video is not None:
        video = read_video(args.video, found)
    fine = {"rerank": not args.no_rerank, "top_k": args.top_k, "weight": args.weight}
    hits = found.search(args.text, image=image, video=video, top=args.top, **fine)
    if args.json:
        about = {
            "query": args.text,
            "image": args.image,
            "video": args.video,
            "clips": found.clips,
            "hits": [asdict(hit) for hit in hits],
        }
        print(json.dumps(about, indent=2, ensure_ascii=False))
    else:
        print(as_table(hits))
    if args.html:
        query = {"text": args.text, "image_HWC": image, "video_THWC": video}
        _write_page(args.html, found, hits, query)
        LOG.info(f"wrote {args.html}")
    return 0


def _write_page(path: str, found: SearchIndex, hits: Sequence[Hit], query: Mapping[str, Any]) -> None:
    from preview.report.search_page import Result, write_page

    results = []
    for hit, frames_THWC in zip(hits, found.frames_or_none(hits), strict=True):
        shard = hit.shard.rpartition("/")[2]
        ranks = (hit.coarse, hit.coarse_rank, hit.match)
        results.append(Result(hit.rank, hit.key, shard, hit.caption, *ranks, frames_THWC))
    write_page(path, results, clips=found.clips, **query)


def as_table(hits: Sequence[Hit]) -> str:
    """One line per hit, under a line of headings."""
    middle = ""
    if any(hit.match is not None for hit in hits):
        middle = f"{'match':>7}  {'was':>4}  "
    lines = [f"{'rank':>4}  {'cosine':>7}  {middle}key  caption"]
    for hit in hits:
        middle = ""
        if hit.match is not None:
            middle = f"{hit.match:7.2f}  {hit.coarse_rank:4}  "
        clip = f"{one_line(hit.key, SHOWN)}  {one_line(hit.caption, SHOWN)}"
        lines.append(f"{hit.rank:4}  {hit.coarse:7.4f}  {middle}{clip}")
    return "\n".join(lines)


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope search",
        description="The clips of an index that fit a text, a picture or a video, best first.",
        epilog=EXAMPLES,
    )
    parser.add_argument("index", metavar="INDEX", help="a folder made by `zoetrope index`")
    parser.add_argument("text", metavar="TEXT", nargs="?", help="what to look for, in words")
    parser.add_argument("--image", metavar="FILE", help="look for clips like this picture instead")
    parser.add_argument("--video", metavar="FILE", help="look for clips like this video instead")
    parser.add_argument(
        "--top", type=int, default=10, metavar="N", help="how many clips to show (default 10)"
    )
    parser.add_argument(
        "--top-k",
        type=int,
        metavar="K",
        help="candidates that are re-ranked, at least N (default: as the model says)",
    )
    parser.add_argument(
        "--weight",
        type=float,
        metavar="W",
        help="share of the match score when re-ranking, 0 to 1 (default: as the model says)",
    )
    parser.add_argument("--no-rerank", action="store_true", help="leave the order to the dual encoder")
    parser.add_argument(
        "--html", metavar="FILE", help="write a page with the clips' frames; it needs no other file"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: CUDA where there is one"
    )
    return parser
