"""Folders of the package ``setfit``, read without running anything in them, and written where asked for."""
