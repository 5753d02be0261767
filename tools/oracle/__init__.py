"""Random networks, and a second implementation of masking that shares nothing with the program's own.

`generator` makes networks, `judge` prunes one and says what is wrong with what came out. Everything
here knows a pruned model by its file alone.
"""
