"""The program `syntrans`, also as `python -m syntrans`."""

import gc


def main() -> None:
    """Entry point of the `syntrans` program."""
    gc.set_threshold(50_000)  # nearly all that a start makes stays: looking for garbage in it took 5 % of short runs
    from syntrans.cli.app import main as command_line

    gc.freeze()  # nor does the search at the end look at what was imported
    command_line()


if __name__ == "__main__":
    main()
