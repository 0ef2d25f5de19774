"""What names and values of fields are made of, as possessive classes for expressions. Source: RFC 9110, 5.5, 5.6.2."""

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
