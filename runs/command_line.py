"""How the scripts of runs/ and bench/ take their options: typer reads them off the signature of a function or of a dataclass, as the command
`ulmfit-nb` does. One thing is added, lists of values: `--only wiki imdb-lm`, `--seeds 0,1,2`."""

import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import typer


def spread(args: list[str], lists: set[str]) -> Iterator[str]:
    "`--only a b` and `--only a,b` as typer has it, `--only a --only b`, for the options in `lists`."
    option = None
    for before, arg in zip([None, *args], args):
        if arg.startswith('--'):
            option = arg if arg in lists else None
            yield arg
        elif option:
            words = [word for value in arg.split(',') for word in (option, value)]
            yield from words[before == option :]
        else:
            yield arg


def from_command_line(called: Callable) -> Any:
    "What a function or class gives when it is called with what stands on the command line. Its parameters say what that may be."
    found = []

    @wraps(called)
    def keep(**options):
        found.append(called(**options))

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help=sys.modules[called.__module__].__doc__)(keep)
    command = typer.main.get_command(app)
    lists = {name for option in command.params if getattr(option, 'multiple', False) for name in option.opts}
    try:
        command(list(spread(sys.argv[1:], lists)))
    except SystemExit as e:
        if e.code or not found:  # a mistake, or --help
            raise
    return found[0]


def carry_out(study: Callable, options: Callable):
    "A study with what stands on its command line. Where its time was up, it ends with the sentence that says how to go on."
    from ulmfit_nb.training import Stop  # here: not all scripts have the library

    try:
        study(from_command_line(options))
    except Stop as e:
        sys.exit(str(e))
