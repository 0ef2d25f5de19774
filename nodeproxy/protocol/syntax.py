"""The grammar of field names and values, as possessive regular expressions. Source: RFC 9110, 5.5, 5.6.2."""

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
