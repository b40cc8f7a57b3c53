"""The commands, one file each: options, then what it does. `syntrans.cli.on_demand` imports a file when it is needed.

A command's body reads its options, builds a config and makes one call. What only a command's body needs and takes long
to import is imported inside it: `--help` and completion read the options alone.
"""

from __future__ import annotations

from keyword import iskeyword

# A command -> the first line of its help. They are listed in this order.
COMMANDS = {
    "mine": "Generate and verify visual descriptors for classes.",
    "train": "Train an encoder and a bridge from text to pictures.",
    "evaluate": "Evaluate few-shot accuracy against baselines and controls.",
    "demo": "Run the whole pipeline once on the embedded world.",
    "inspect": "Summarise a descriptor file, or compare two.",
    "pack": "Package a run for sharing.",
    "import": "Convert published descriptions to descriptors.parquet.",
    "compare": "Compare two evaluations, paired by episode.",
    "classes check": "Find errors and likely problems in a class list.",
    "data check": "Check that a data set is complete, or show where to get it.",
    "edit": "Correct the descriptors of a run by hand.",
    "report": "Show runs as one page for a browser.",
    "imagine": "Imagine pictures of classes: a diffusion model reads the descriptors.",
    "predict": "Name your own pictures, with probabilities and reasons.",
    "serve": "Name pictures in a browser, and correct names with a click.",
    "config show": "Explain config keys: meaning, default, and what may be given.",
    "install": "Install the packages that a task needs.",
    "doctor": "Check this machine, or whether it can run a mining config.",
}
GROUPS = {"classes": "Check class lists.", "data": "Check data sets.", "config": "Explain the keys of configs."}


def function_of(command: str) -> str:
    """The name of a command's function, which is that of its file too."""
    name = command.replace(" ", "_")
    return f"{name}_" if iskeyword(name) else name
