"""The tokenizer of a model: CLIP's own, which open_clip carries, or a file, as SigLIP's towers need.

A file is a Hugging Face ``tokenizer.json``, read by their library `tokenizers`. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from open_clip.tokenizer import get_clean_fn

from schemas.errors import ConfigError
from schemas.json_text import read_json
from schemas.text import human_bytes, one_line
from storage.read import exists, open_uri
from storage.uris import join
from trainer.model.config import ModelConfig
from trainer.model.towers import Tokens, text_settings, tokenize

TOKENIZER_FILE = "tokenizer.json"
ABOUT_FILES = ("tokenizer_config.json", "special_tokens_map.json")  # that may name the padding token
PROBES = ("", "a photo of a dog", "\U0010fffd ?")  # padding, words, and a character that no vocabulary has
MAX_BYTES = 200_000_000  # of a file; Gemma's has 34 MB

Tokenizer = Callable[[Sequence[str]], Tokens]


class FileTokenizer:
    """Captions as the ids of a tokenizer file, padded or cut to one length."""

    def __init__(self, library: Any, clean: str, separator: int | None) -> None:
        """`library`: a `tokenizers.Tokenizer` that pads and cuts; `clean`: open_clip's name of a cleaning.

        `separator`: an id that becomes 0, as CLIPA's towers were trained.
        """
        self._library, self._clean, self._separator = library, clean, separator

    def __call__(self, captions: Sequence[str]) -> Tokens:
        """Return ids and mask, int64 [N,L]; special tokens count as tokens, padding does not."""
        clean = get_clean_fn(self._clean)
        found = self._library.encode_batch([clean(caption) for caption in captions])
        shape = (len(captions), self._library.padding["length"])
        ids_NL = torch.tensor([each.ids for each in found], dtype=torch.int64).reshape(shape)
        mask_NL = torch.tensor([each.attention_mask for each in found], dtype=torch.int64).reshape(shape)
        if self._separator is not None:
            dropped = ids_NL == self._separator
            ids_NL, mask_NL = ids_NL.masked_fill(dropped, 0), mask_NL.masked_fill(dropped, 0)
        return Tokens(ids_NL, mask_NL)

    @property
    def text(self) -> str:
        """The file's content, with its padding."""
        return str(self._library.to_str())


def make_tokenizer(config: ModelConfig) -> Tokenizer:
    """Return the tokenizer of a model. Raises ConfigError naming a file that is missing or does not fit."""
    if config.tokenizer is None:
        return partial(tokenize, max_words=config.max_words)
    settings = text_settings(config)
    if settings is None:
        raise ConfigError(
            f"model.tokenizer has no effect with clip = {config.clip!r}, whose vocabulary is CLIP's own; "
            "leave it out"
        )
    library, folder = _read(config.tokenizer)
    _fit(library, config, settings)
    library.enable_truncation(config.max_words)
    pad_id, pad_token = _padding(library, folder, config.tokenizer)
    library.enable_padding(length=config.max_words, pad_id=pad_id, pad_token=pad_token)
    options = settings.get("tokenizer_kwargs") or {}
    separator = None
    if options.get("strip_sep_token"):
        separator = library.token_to_id("[SEP]")
    made = FileTokenizer(library, options.get("clean", "whitespace"), separator)
    _try(made, config, int(settings["vocab_size"]))
    return made


def _try(made: FileTokenizer, config: ModelConfig, rows: int) -> None:
    """Raise ConfigError for a file that fails on a caption, or gives ids that the tower lacks.

    The library checks neither unknown words, nor the ids of special tokens and padding, before it needs them.
    """
    try:
        ids_NL, _ = made(PROBES)
    except BaseException as error:  # a panic of the library is no Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ConfigError(
            f"model.tokenizer: {config.tokenizer} fails on a caption: {one_line(error, 200)}; fetch it again"
        ) from None
    found = int(ids_NL.min()), int(ids_NL.max())
    if found[0] < 0 or found[1] >= rows:
        raise ConfigError(
            f"model.tokenizer: {config.tokenizer} gives ids from {found[0]} to {found[1]}, and the tower "
            f"of {config.clip} embeds {rows}; fetch it again"
        )


def _read(place: str) -> tuple[Any, str]:
    """Return the library's tokenizer of a file or folder, and the folder."""
    try:
        from tokenizers import Tokenizer as Library
    except ImportError:
        raise ConfigError(f"model.tokenizer={place} needs tokenizers: pip install tokenizers") from None
    if place.endswith(".json"):
        file = place
    else:
        file = join(place, TOKENIZER_FILE)
    try:
        if not exists(file):
            raise ConfigError(
                f"model.tokenizer: {file} does not exist; give the folder or the tokenizer.json that the "
                "tower was trained with, from a machine that has it: nothing is downloaded"
            )
        with open_uri(file) as stream:
            text = stream.read(MAX_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"model.tokenizer: {file} cannot be read: {one_line(error, 200)}") from None
    if len(text) > MAX_BYTES:
        raise ConfigError(f"model.tokenizer: {file} is larger than {human_bytes(MAX_BYTES)}")
    try:
        return Library.from_str(text), file.rpartition("/")[0] or "."
    except Exception as error:  # the library raises Exception itself
        raise ConfigError(f"model.tokenizer: {file} is no tokenizer: {one_line(error, 200)}") from None


def _fit(library: Any, config: ModelConfig, settings: Mapping[str, Any]) -> None:
    """Raise ConfigError if the tower cannot take what the tokenizer gives."""
    rows = int(settings["vocab_size"])
    largest = max(library.get_vocab().values(), default=-1)
    if largest >= rows:
        raise ConfigError(
            f"model.tokenizer: {config.tokenizer} has ids up to {largest}, and the text tower of "
            f"{config.clip} embeds {rows}; give the tokenizer that it was trained with: "
            f"{settings.get('hf_tokenizer_name')}"
        )
    length = int(settings["context_length"])
    if settings.get("pool_type") == "last" and config.max_words != length:
        raise ConfigError(
            f"max_words = {config.max_words}: {config.clip} reads captions that are padded to {length} "
            f"tokens; set model.max_words={length}"
        )


def _padding(library: Any, folder: str, place: str) -> tuple[int, str]:
    """Return the padding token, as the tokenizer or the files of its folder name it."""
    if library.padding is not None:
        return int(library.padding["pad_id"]), str(library.padding["pad_token"])
    names = [_pad_name(join(folder, name)) for name in ABOUT_FILES]
    for name in (*names, "<pad>", "[PAD]"):
        if name is None:
            continue
        number = library.token_to_id(name)
        if number is not None:
            return int(number), name
    raise ConfigError(
        f"model.tokenizer: {place} names no padding token; give its whole folder, with {ABOUT_FILES[0]}"
    )


def _pad_name(file: str) -> str | None:
    with suppress(OSError, ValueError):
        if exists(file):
            with open_uri(file) as stream:
                found = read_json(stream.read(MAX_BYTES))
            name = None
            if isinstance(found, dict):
                name = found.get("pad_token")
            if isinstance(name, dict):
                name = name.get("content")
            if not isinstance(name, str):
                return None
            return name
    return None
