"""How pictures lie on disk: one file per format, each giving a `Pool`."""
