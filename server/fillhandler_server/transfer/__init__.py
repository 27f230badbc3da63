"""Exports and imports: the journal as a file, and back.

`format` is the file's text, `export` writes it in chunks, `staging` keeps the chunks of an import,
`reading` checks a file line by line, and `importing` applies it.
"""
