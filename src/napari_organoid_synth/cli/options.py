"""The command line application, and the options that its commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

OLDER_NAMES = {"adopt": "import-model"}
"""Commands of version 0.1 under another name; they are not listed."""


class CommandGroup(typer.core.TyperGroup):
    """All commands. A short one gets an option for each of its settings only when it is called.

    Importing the settings of all would make ``--help`` slow.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name, and the remaining arguments."""
        name, command, remaining = super().resolve_command(ctx, [OLDER_NAMES.get(args[0], args[0]), *args[1:]])
        if name in _SHORT:
            single = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
            single.command(name)(_with_options(_SHORT[name], name))
            command = typer.main.get_command(single)
        return name, command, remaining


app = typer.Typer(
    name="organoid-synth",
    cls=CommandGroup,
    help="Make, curate and prove synthetic image-mask pairs for microscopy.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ProjectArgument = Annotated[Path, typer.Argument(help="Project folder.")]
RecipeOption = Annotated[Path | None, typer.Option(help="YAML file of settings.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override a setting: key=value. Repeatable.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
JobOption = Annotated[Path | None, typer.Option("--job", hidden=True, help="Folder of events and control.")]


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context, show: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False
) -> None:
    """Make, curate and prove synthetic image-mask pairs for microscopy."""
    if show:
        from napari_organoid_synth import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(2)


# --- short commands: every field of their settings is also an option --------------------------------------------------

_SHORT: dict[str, Callable[..., None]] = {}


def short_verb(function: Callable[..., None]) -> Callable[..., None]:
    """Add a short command to the list; `CommandGroup` adds its options."""

    def listed() -> None: ...

    name = function.__name__.replace("_", "-")
    app.command(name, help=function.__doc__)(listed)
    _SHORT[name] = function
    return function


def _with_options(function: Callable[..., None], verb: str) -> Callable[..., None]:
    """Return the function with an option for each field of the settings in place of ``fields``."""
    import inspect
    from functools import wraps

    from napari_organoid_synth.core.verbs import SHORT_VERBS

    own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name != "fields"]
    options = []
    for name, field in SHORT_VERBS[verb].settings_class().model_fields.items():
        shown: Any = {"help": field.description, "show_default": str(field.default) if field.default else False}
        kind: Any = str | None
        option: Any = typer.Option(None, **shown)
        if field.annotation is bool:
            kind, option = bool, typer.Option(False, f"--{name.replace('_', '-')}", **shown)
        elif field.annotation is int:
            ends = {end: getattr(bound, end) for bound in field.metadata for end in ("ge", "le") if hasattr(bound, end)}
            kind, option = int | None, typer.Option(None, min=ends.get("ge"), max=ends.get("le"), **shown)
        elif str(field.annotation).startswith("tuple"):
            kind = list[str] | None
        options.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind))

    @wraps(function)
    def command(**arguments: Any) -> None:
        function(**arguments)

    command.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (*own, *options)}
    return command
