"""The command line: parse, call one recipe, print, exit code."""
