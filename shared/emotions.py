"""The emotions that highlights are told by: the analysis measures them, the API describes them."""

EMOTIONS = ("excitement", "funny", "happiness", "anger", "sadness", "shock")
