"""Sections of Markdown files that scripts write: what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`."""


def replace(path, name, text):
    """Puts `text` into the section."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, rest = path.read_text().split(begin)
    path.write_text(f"{before}{begin}\n{text}{end}{rest.split(end)[1]}")
