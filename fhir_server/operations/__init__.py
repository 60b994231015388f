"""Operations: one file for each, `registry.py` lists them."""
