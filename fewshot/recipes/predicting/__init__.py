"""Predictions of files of any size: blocks of texts in, shards on disk, one file or a folder out."""
