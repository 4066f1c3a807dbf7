"""`zoetrope completion`: completion of commands, options, fields and shipped configs for a shell."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from zoetrope.arguments import Parser
from zoetrope.interrupt import loading
from zoetrope.shipped import USED_BY, shipped_names

EXAMPLES = """examples:
  zoetrope completion bash >> ~/.bashrc
  zoetrope completion zsh >> ~/.zshrc
  zoetrope completion fish > ~/.config/fish/completions/zoetrope.fish

The script knows the commands, options, fields and shipped configs of this version, and starts no process."""
KINDS = {"animate": "animate", "import-videos": "import", "train": "train", "evaluate": "eval", "lab": "lab"}
BASH = """_zoetrope() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} words configs
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$cur"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
    case $prev in
        --config) words=$configs ;;
        --runner-config) words="{runners}" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    if [ "${{#COMPREPLY[@]}}" -eq 1 ] && [ "${{COMPREPLY[0]%=}}" != "${{COMPREPLY[0]}}" ]; then
        compopt -o nospace 2>/dev/null
    fi
}}
complete -o default -F _zoetrope zoetrope"""
ZSH = "autoload -U +X bashcompinit && bashcompinit"


@dataclass(frozen=True)
class Words:
    """The words that may follow a command."""

    command: str
    purpose: str
    words: tuple[str, ...]  # options, fields with "=", and names of subcommands
    configs: tuple[str, ...]  # names that --config takes


def main(argv: Sequence[str]) -> int:
    """The command."""
    args = _parser().read(argv)
    print({"bash": bash, "zsh": zsh, "fish": fish}[args.shell](all_words()))
    return 0


def all_words() -> list[Words]:
    """Return the words of every command, from the parsers themselves."""
    from zoetrope.cli import COMMANDS, command_module

    found = []
    for name, purpose in COMMANDS.items():
        with loading():
            parser: Parser = command_module(name)._parser()
        configs: Sequence[str] = ()
        if name in KINDS:
            configs = shipped_names(KINDS[name])
        words = _words(parser)
        if name == "configs":
            words += [f"{kind}/{each}" for kind in USED_BY for each in shipped_names(kind)]
        found.append(Words(name, purpose, tuple(words), tuple(configs)))
    return found


def _words(parser: Parser) -> list[str]:
    options = [option for option in parser._option_string_actions if option.startswith("--")]
    fields = [f"{name}=" for name in parser.field_names]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            fields += list(action.choices)
    return sorted({*options, *fields})


def bash(commands: Sequence[Words]) -> str:
    """The script for bash."""
    cases = "\n".join(
        f'        {each.command}) words="{" ".join(each.words)}"; configs="{" ".join(each.configs)}" ;;'
        for each in commands
    )
    names = " ".join([*(each.command for each in commands), "help"])
    return BASH.format(commands=names, cases=cases, runners=" ".join(shipped_names("runners")))


def zsh(commands: Sequence[Words]) -> str:
    """The script for zsh, which can run that of bash."""
    return f"{ZSH}\n{bash(commands)}"


def fish(commands: Sequence[Words]) -> str:
    """The script for fish."""
    lines = []
    for each in commands:
        lines.append(f'complete -c zoetrope -n __fish_use_subcommand -a {each.command} -d "{each.purpose}"')
        here = f'complete -c zoetrope -n "__fish_seen_subcommand_from {each.command}"'
        for word in each.words:
            if word in ("--config", "--runner-config"):
                names = each.configs
                if word != "--config":
                    names = tuple(shipped_names("runners"))
                lines.append(f'{here} -l {word[2:]} -r -a "{" ".join(names)}"')
            elif word.startswith("--"):
                lines.append(f"{here} -l {word[2:]}")
            else:
                lines.append(f"{here} -a {word}")
    return "\n".join(lines)


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope completion",
        description="Print a script that completes commands, options and fields in your shell.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "shell", metavar="{bash,zsh,fish}", choices=("bash", "zsh", "fish"), help="the shell to print it for"
    )
    return parser
