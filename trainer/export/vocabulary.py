"""CLIP's BPE vocabulary, which open_clip carries, as the files of `transformers.CLIPTokenizer`."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip

CLIP_TOKENS = 49408  # ids of CLIP's vocabulary
START, END = "<|startoftext|>", "<|endoftext|>"  # the names that OpenAI and Hugging Face give the last two


def write_tokenizer(folder: Path, context_length: int) -> None:
    """Write vocab.json, merges.txt and tokenizer_config.json into a local folder."""
    ours = open_clip.tokenizer._tokenizer
    names = {ours.sot_token_id: START, ours.eot_token_id: END}
    vocabulary = {names.get(number, token): number for token, number in ours.encoder.items()}
    merges = [" ".join(pair) for pair in ours.bpe_ranks]
    about = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": context_length,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
        "errors": "replace",
        "do_lower_case": True,
        "add_prefix_space": False,
    }
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(about, indent=2) + "\n")
