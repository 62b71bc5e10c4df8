"""From text to blocks of tokens: three sources behind one contract."""
