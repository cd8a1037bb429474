"""`fedface bench`: how fast the parts are, each measured alone, on the machine at hand."""
