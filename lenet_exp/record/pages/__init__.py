"""Pages for a browser, a file each that needs no other one: their common style and parts."""
