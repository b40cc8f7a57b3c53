"""`python -m syntrans` is the program `syntrans`."""

from syntrans.cli.app import main

if __name__ == "__main__":
    main()
