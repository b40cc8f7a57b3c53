"""What checks shapes and types of the training code in tests; `install_import_hook` takes it by name."""

from beartype import BeartypeConf, beartype

# An int is a float, as PEP 484 says.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
