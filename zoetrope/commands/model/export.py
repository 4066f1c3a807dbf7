"""`zoetrope export`: a checkpoint or an index in the layout of another library."""

from __future__ import annotations

from collections.abc import Sequence

from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

EPILOG = """layouts of a checkpoint:
  open_clip    the CLIP towers, for open_clip: a folder of two files
  huggingface  the CLIP towers, for transformers' CLIPModel and CLIPProcessor: a folder
  clip2video   the whole model under the official code's names: a .pt state dict of plain tensors
layouts of an index:
  parquet      one table: key, captions, shard, vector
  npy          a folder: vectors.npy [n,E] float32, and clips.parquet with the same rows
  faiss        a folder: index.faiss, an exact inner product index, and clips.parquet (needs faiss)

examples:
  zoetrope export runs/finetune/best --to open_clip -o exported/open_clip/
  zoetrope export runs/finetune/best --to huggingface -o exported/huggingface/
  zoetrope export runs/finetune/best --to clip2video -o exported/clip2video.pt
  zoetrope export index/ --to parquet -o exported/vectors.parquet

The towers embed single pictures and texts. The temporal modules have no place in CLIP's layouts; clip2video
holds them too, and the vectors of an index come from the whole model."""


def main(argv: Sequence[str]) -> int:
    """The command. Raises ConfigError for a source that does not fit the layout."""
    args = _parser().read(argv)
    with loading():
        from trainer.export.export import export
    done = export(args.source, args.to, args.output, trained_weights=args.trained_weights)
    print(f"{args.output}: {done.what} of {args.source}, layout {args.to}")
    print(done.how_to_read)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope export",
        description="Write a checkpoint or an index in the layout of another library.",
        epilog=EPILOG,
    )
    parser.add_argument("source", metavar="SOURCE", help="a checkpoint folder, or an index")
    parser.add_argument(
        "--to",
        metavar="LAYOUT",
        required=True,
        help="open_clip, huggingface or clip2video; parquet, npy or faiss",
    )
    parser.add_argument(
        "-o", "--output", metavar="PATH", required=True, help="a new file or folder, local or gs://"
    )
    parser.add_argument(
        "--trained-weights",
        action="store_true",
        help="of a run with optim.ema: the weights as trained, not their moving average",
    )
    return parser
