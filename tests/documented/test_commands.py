"""Every command of README, docs/, the configs and the helps of the commands is run as it is written.

`documented.lines` finds the commands, `documented.rules` says how each is run and why not as a whole, and
`documented.place` makes the files that it names. A new command for which there is no rule, or that names a file
that is not there, fails here.
"""

from __future__ import annotations

import re
import shutil

import pytest
from documented.lines import CONFIGS, PAGES, ROOT, all_lines, command_blocks, is_command
from documented.rules import RULES, Way, rule_of
from documented.run import run

LINES = {line.text: line for line in all_lines()}
NO_COMMANDS = {  # first words of code blocks that show files
    "clips/00000.tar": "README.md",
    "zoetrope/": "docs/design.md",
    "runs/NAME/": "docs/training.md",
}


def texts(*ways: Way) -> list[str]:
    found = {text: rule_of(text) for text in LINES}
    return [text for text, rule in found.items() if rule is not None and rule.way in ways]


def test_commands_are_found_in_every_kind_of_page() -> None:
    where = {line.where for line in LINES.values()}
    assert {"README.md", "CONTRIBUTING.md", "docs/training.md", "zoetrope search --help"} <= where
    assert len(where) > 50
    assert len(LINES) > 250
    assert len(texts(Way.RUN)) > 150


def test_every_command_has_a_rule_and_every_rule_a_command() -> None:
    assert [line for line in LINES.values() if rule_of(line.text) is None] == []
    used = {rule_of(text) for text in LINES}
    assert [rule.pattern for rule in RULES if rule not in used] == []
    assert [
        rule.pattern for rule in RULES if rule.way not in (Way.RUN, Way.SERVE, Way.PUSH) and not rule.why
    ] == []


def test_a_code_block_holds_commands_alone_or_is_a_list_of_files() -> None:
    for page in PAGES:
        for block in command_blocks(page.read_text()):
            odd = [line for line in block if not is_command(line) and not line.startswith("#")]
            shown = NO_COMMANDS.get(block[0].split()[0])
            assert not odd or shown == str(page.relative_to(ROOT)), (page, odd)


def test_every_config_shows_its_command() -> None:
    shown = " ".join(LINES)
    silent = [
        path for path in CONFIGS if str(path.relative_to(ROOT)) not in shown and path.parent.name != "lab"
    ]
    assert silent == []


def test_a_run_whose_best_checkpoint_is_used_has_something_to_evaluate_on() -> None:
    used = {name for text in LINES for name in re.findall(r"runs/(\w+)/best", text)}
    trained = [(text, found[1]) for text in LINES if (found := re.search(r"configs/train/(\w+)\.yaml", text))]
    assert {"finetune_msrvtt", "finetune_vatex"} <= used & {recipe for _, recipe in trained}
    assert [text for text, recipe in trained if recipe in used and "eval_shards" not in text] == []


@pytest.mark.parametrize("text", texts(Way.RUN, Way.PLAN), ids=str)
def test_it_runs_as_it_is_written(place, text: str) -> None:
    shutil.rmtree(run(LINES[text], rule_of(text), place))
