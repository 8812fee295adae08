"""One file per command: it parses, calls and echoes; nothing else happens here."""
