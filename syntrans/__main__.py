"""`python -m syntrans` is the program `syntrans`."""

from syntrans.cli import main

if __name__ == "__main__":
    main()
