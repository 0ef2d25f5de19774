/* What the compiled twin thinks of a field: what its name means, and whether its value is plain. Judged once for each entry
   of a table. Source: RFC 9113, 8.2, 8.3; the Python rules are in fields_in.py, request_in.py and trailers_in.py. */

#ifndef NODEPROXY_TWIN_FIELDS_H
#define NODEPROXY_TWIN_FIELDS_H

#include "twin_hpack.h"

/* What a field is. Those up to TRACEPARENT may be trailers; those from METHOD are pseudo-fields. */
enum {
    GOES_ON,
    DATE,
    TRACEPARENT,
    NO_TRAILER, /* goes on in a head */
    LENGTH,
    COOKIE,
    TE,
    SAID, /* a forwarding field of the client */
    ODD,  /* Python has to look */
    METHOD,
    SCHEME,
    AUTHORITY,
    PATH,
    STATUS,
};

enum { MOST_DIGITS = 18 };

/* What a byte may be part of. */
enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8, DIGIT = 16, LOWER = 32 };
static Byte letter[256];
static Byte lower_of[256]; /* of a byte of a token, 0 for all others */

static void learn_letters(void)
{
    for (int byte = 0; byte < 256; byte++) {
        int digit = byte >= '0' && byte <= '9', upper = byte >= 'A' && byte <= 'Z';
        int alpha = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        int token = digit || alpha || (byte && strchr("!#$%&'*+-.^_`|~", byte));
        letter[byte] = (Byte)((digit ? DIGIT : 0) | (token ? TOKEN : 0) | (token && !upper ? LOWER : 0) |
                              (digit || alpha || (byte && strchr("._-", byte)) ? HOST : 0) |
                              (byte == '\t' || (byte >= 0x20 && byte != 0x7f) ? VALUE : 0) |
                              (byte > 0x20 && byte < 0x7f && byte != '#' && byte != '\\' ? TARGET : 0));
        lower_of[byte] = (Byte)(token ? (upper ? byte | 0x20 : byte) : 0);
    }
}

/* The number of bytes that `text` begins with and that may be part of `what`. */
static Py_ssize_t run_of(const Text *text, int what)
{
    Py_ssize_t i = 0;
    while (i < text->size && letter[(Byte)text->at[i]] & what)
        i++;
    return i;
}

static int begins(const Text *text, const char *with, size_t size)
{
    return (size_t)text->size >= size && memcmp(text->at, with, size) == 0;
}

#define BEGINS(text, literal) begins(text, literal, sizeof literal - 1)
#define IS(text, literal) ((size_t)(text)->size == sizeof literal - 1 && BEGINS(text, literal))

static int named_as_pseudo(const Text *name)
{
    if (IS(name, ":method"))
        return METHOD;
    if (IS(name, ":path"))
        return PATH;
    if (IS(name, ":scheme"))
        return SCHEME;
    if (IS(name, ":authority"))
        return AUTHORITY;
    return IS(name, ":status") ? STATUS : ODD;
}

/* What a field with this name is, if its value is plain. */
static int named_as(const Text *name)
{
    if (name->size == 0)
        return ODD;
    if (name->at[0] == ':')
        return named_as_pseudo(name);
    if (run_of(name, LOWER) < name->size)
        return ODD;
    switch (name->at[0]) {
    case 'a':
        return IS(name, "authorization") ? NO_TRAILER : GOES_ON;
    case 'c':
        if (IS(name, "content-length"))
            return LENGTH;
        if (IS(name, "cookie"))
            return COOKIE;
        if (IS(name, "connection"))
            return ODD;
        return BEGINS(name, "content-") ? NO_TRAILER : GOES_ON;
    case 'd':
        return IS(name, "date") ? DATE : GOES_ON;
    case 'e':
        return IS(name, "expect") ? ODD : GOES_ON;
    case 'f':
        return IS(name, "forwarded") ? SAID : GOES_ON;
    case 'h':
        return IS(name, "host") ? ODD : GOES_ON;
    case 'k':
        return IS(name, "keep-alive") ? ODD : GOES_ON;
    case 'p':
        if (IS(name, "proxy-connection"))
            return ODD;
        return BEGINS(name, "proxy-") ? NO_TRAILER : GOES_ON;
    case 's':
        return IS(name, "set-cookie") ? NO_TRAILER : GOES_ON;
    case 't':
        if (IS(name, "te"))
            return TE;
        if (IS(name, "transfer-encoding"))
            return ODD;
        if (IS(name, "traceparent"))
            return TRACEPARENT;
        return IS(name, "trailer") ? NO_TRAILER : GOES_ON;
    case 'u':
        return IS(name, "upgrade") ? ODD : GOES_ON;
    case 'x':
        if (IS(name, "x-forwarded-for") || IS(name, "x-forwarded-proto") || IS(name, "x-forwarded-host") ||
            IS(name, "x-real-ip"))
            return SAID;
        return BEGINS(name, "x-forwarded") || BEGINS(name, "x_forwarded") || BEGINS(name, "x-real") ||
                       BEGINS(name, "x_real") || BEGINS(name, "x-mesh-")
                   ? ODD
                   : GOES_ON;
    default:
        return GOES_ON;
    }
}

static int is_authority(const Text *value)
{
    Py_ssize_t host = run_of(value, HOST);
    if (host == 0 || host == value->size)
        return host > 0;
    Text port = {value->at + host + 1, value->size - host - 1};
    return value->at[host] == ':' && port.size > 0 && port.size <= 5 && run_of(&port, DIGIT) == port.size;
}

static int is_plain_method(const Text *value)
{
    return value->size && run_of(value, TOKEN) == value->size && !IS(value, "CONNECT") && !IS(value, "OPTIONS") &&
           !IS(value, "TRACE");
}

static int is_status(const Text *value)
{
    return value->size == 3 && run_of(value, DIGIT) == 3 && value->at[0] != '0' && !IS(value, "101");
}

static int is_value(const Text *value)
{
    if (value->size == 0)
        return 1;
    char first = value->at[0], last = value->at[value->size - 1];
    return first != ' ' && first != '\t' && last != ' ' && last != '\t' && run_of(value, VALUE) == value->size;
}

/* What a field is whose name is `named`: that, or ODD for a value that is not plain. */
static int judged(int named, const Text *value)
{
    int good;
    switch (named) {
    case METHOD:
        good = is_plain_method(value);
        break;
    case SCHEME:
        good = IS(value, "http") || IS(value, "https");
        break;
    case AUTHORITY:
        good = is_authority(value);
        break;
    case PATH:
        good = value->size && value->at[0] == '/' && run_of(value, TARGET) == value->size;
        break;
    case STATUS:
        good = is_status(value);
        break;
    case LENGTH:
        good = value->size && value->size <= MOST_DIGITS && run_of(value, DIGIT) == value->size;
        break;
    case TE:
        good = IS(value, "trailers");
        break;
    default:
        good = is_value(value);
    }
    return good ? named : ODD;
}

#endif
