"""The built-in five-language grammar: text for a corpus that needs neither network nor files."""
