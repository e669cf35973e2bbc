"""`linearityiqa completion`: scripts with which a shell completes commands, options and their values."""

from collections.abc import Callable, Mapping, Sequence

from linearityiqa import config
from linearityiqa.cli.commands import ALL
from linearityiqa.cli.parsing import options_for
from linearityiqa.config.tree import Option
from linearityiqa.errors import ConfigError, did_you_mean

USAGE = """usage: linearityiqa completion bash|zsh|fish

Print a script that completes commands, options, their values and files.

examples:
  # for this bash, and as a line of ~/.bashrc for every later one
  source <(linearityiqa completion bash)
  # the same for zsh and ~/.zshrc
  source <(linearityiqa completion zsh)
  # for fish and ~/.config/fish/config.fish
  linearityiqa completion fish | source"""


Commands = Mapping[str, Sequence[Option]]
"""Options of each command, by the words before them."""


def print_script(argv: Sequence[str]) -> int:
    """Print the script for a shell."""
    if not argv or argv[0] in ("-h", "--help", "--help-all"):
        print(USAGE)
        return 0 if argv else 2
    if argv[0] not in SHELLS or len(argv) > 1:
        hint = did_you_mean(argv[0], SHELLS)
        raise ConfigError(f"there is no completion for {' '.join(argv)}{hint}; known: {', '.join(SHELLS)}")
    print(SHELLS[argv[0]](known_commands()))
    return 0


def known_commands() -> Commands:
    """Return every command, and every subcommand of datasets, with its options."""
    return {
        words: options_for(getattr(config, command.config)()) if command.config else ()
        for words, command in ALL.items()
    }


def bash(commands: Commands) -> str:
    """Return the script for bash: the words that may follow each command and each option."""
    tops = " ".join(name for name in commands if " " not in name)
    subs = " ".join(name.split()[1] for name in commands if " " in name)
    values, cases = [], []
    for name, options in commands.items():
        all_words = " ".join(word for option in options for word in option.all_words)
        cases.append(f'    "{name}") words="{all_words} --help --help-all" ;;')
        for option in options:
            if option.choices:
                before = "|".join(f'"{name} {word}"' for word in option.words)
                values.append(f'    {before}) words="{" ".join(option.choices)}" ;;')
    return _BASH.format(tops=tops, subs=subs, values="\n".join(values), options="\n".join(cases))


def zsh(commands: Commands) -> str:
    """Return the script for zsh, which runs that of bash."""
    start = "autoload -U +X compinit bashcompinit\n(( $+functions[compdef] )) || compinit\nbashcompinit\n"
    return start + bash(commands)


def fish(commands: Commands) -> str:
    """Return the script for fish: a line for each command, option and list of values."""
    lines = [_FISH]
    for words, options in commands.items():
        *before, name = words.split()
        where = f"-n '__linearityiqa_at {' '.join(before)}'"
        lines.append(f"complete -c linearityiqa {where} -f -a {name} -d {_quoted(ALL[words].summary)}")
        for option in options:
            forms = [
                f"-l {word[2:]}" if word.startswith("--") else f"-{'s' if len(word) == 2 else 'o'} {word[1:]}"
                for word in option.all_words
            ]
            takes = ["-x -a", _quoted(" ".join(option.choices))] if option.choices else ["-r"] if option.values else []
            if forms:
                short = option.text.partition(".")[0].partition(":")[0]
                where = f"-n '__linearityiqa_in {words}'"
                lines.append(" ".join(["complete -c linearityiqa", where, *forms, *takes, "-d", _quoted(short)]))
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS: dict[str, Callable[[Commands], str]] = {"bash": bash, "zsh": zsh, "fish": fish}

_BASH = """_linearityiqa() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  local command="${{COMP_WORDS[1]}}" words=""
  if [[ $command == datasets && $COMP_CWORD -gt 2 ]]; then command="datasets ${{COMP_WORDS[2]}}"; fi
  if [[ $COMP_CWORD -eq 1 ]]; then
    words="{tops} --help --version"
  elif [[ $command == datasets ]]; then
    words="{subs}"
  elif [[ $command == completion ]]; then
    words="bash zsh fish"
  else
    case "$command $previous" in
{values}
    esac
    if [[ -z $words && $current == -* ]]; then
      case "$command" in
{options}
      esac
    fi
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _linearityiqa linearityiqa"""

_FISH = """function __linearityiqa_at
  set -l words (commandline -opc)
  test "$words[2..-1]" = "$argv"
end
function __linearityiqa_in
  set -l words (commandline -opc)
  string match -q -- "$argv *" "$words[2..-1] "
end
complete -c linearityiqa -n '__linearityiqa_at completion' -f -a 'bash zsh fish'
complete -c linearityiqa -n '__linearityiqa_at' -l version -d 'print the version'"""
