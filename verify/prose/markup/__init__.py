"""What a page shows of its source: Markdown, HTML, LaTeX."""
