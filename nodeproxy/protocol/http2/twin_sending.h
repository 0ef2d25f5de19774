/* Writes heads and trailers as one HEADERS frame, as sending.py does: no dynamic table, no Huffman code. What does not fit
   into one frame, or is no well-formed line, is left to Python. */

#ifndef NODEPROXY_TWIN_SENDING_H
#define NODEPROXY_TWIN_SENDING_H

#include "twin_fields.h"

enum { UNKNOWN = -1, FRAME_BYTES = 16384, END_STREAM = 0x1, END_HEADERS = 0x4, HEADERS = 1 };
enum { FRAME_HEADER_BYTES = 9, FIELD_EXTRA_BYTES = 16, NEVER_INDEXED = 0x10, BUCKETS = 256 };

/* Places of slots in the order of `find_messages`. */
enum { AT_BLOCK = 0, AT_ADDED = 1, AT_DROPPED = 2 };
enum { AT_METHOD = 0, AT_AUTHORITY = 2, AT_PATH = 3, AT_FIELDS = 4, AT_LENGTH = 5, AT_TAKES_TRAILERS = 8 };
enum { AT_STATUS = 0, AT_RESPONSE_FIELDS = 3, AT_RESPONSE_LENGTH = 5 };

/* The frame that is written. No other code runs meanwhile: it is only filled when all objects are at hand. */
static Byte sent[FRAME_HEADER_BYTES + FRAME_BYTES + FIELD_EXTRA_BYTES];
static Byte *const sent_end = sent + FRAME_HEADER_BYTES + FRAME_BYTES;

static const Class *sent_fields, *sent_request, *sent_response;
static PyObject *pure_request_headers, *pure_response_headers, *pure_trailers_headers, *name_block;
static Byte buckets[BUCKETS]; /* static indices by the hash of a name; the next ones where it collides */

static unsigned bucket_of(const Byte *name, Py_ssize_t size)
{
    return ((unsigned)size * 29 + name[0] * 7u + name[size - 1] * 3u + name[size / 2]) % BUCKETS;
}

/* The lowest static index of a name in lower case, 0 if it has none. */
static int static_index(const Byte *name, Py_ssize_t size)
{
    for (unsigned bucket = bucket_of(name, size); buckets[bucket]; bucket = (bucket + 1) % BUCKETS) {
        const Entry *entry = static_entries[buckets[bucket]];
        if (entry->name_size == size && memcmp(entry->line, name, (size_t)size) == 0)
            return buckets[bucket];
    }
    return 0;
}

static void learn_names(void)
{
    memset(buckets, 0, sizeof buckets);
    for (int index = 1; index <= STATIC_ENTRIES; index++) {
        const Byte *name = (const Byte *)static_entries[index]->line;
        Py_ssize_t size = static_entries[index]->name_size;
        if (static_index(name, size))
            continue;
        unsigned bucket = bucket_of(name, size);
        while (buckets[bucket])
            bucket = (bucket + 1) % BUCKETS;
        buckets[bucket] = (Byte)index;
    }
}

static Byte *put_integer(Byte *to, Py_ssize_t value, Byte most, Byte first)
{
    if (value < most) {
        *to++ = (Byte)(first | value);
        return to;
    }
    *to++ = first | most;
    for (value -= most; value > 0x7f; value >>= 7)
        *to++ = (Byte)(0x80 | (value & 0x7f));
    *to++ = (Byte)value;
    return to;
}

static Byte *put_string(Byte *to, const Text *text)
{
    return (Byte *)put((char *)put_integer(to, text->size, 0x7f, 0), text);
}

/* A literal whose name has a static index; NULL if it does not fit. */
static Byte *put_indexed(Byte *to, int index, const Text *value)
{
    int never = index == 23 || index == 32 || index == 49 || index == 55; /* see hpack/encoder.py */
    if (value->size + FIELD_EXTRA_BYTES > sent_end - to)
        return NULL;
    return put_string(put_integer(to, index, 0x0f, never ? NEVER_INDEXED : 0), value);
}

/* Whether a name in lower case is not sent: see sending.py. */
static int left_out(const Byte *at, Py_ssize_t size, int of_request)
{
    Text name = {(const char *)at, size};
    switch (size) {
    case 2:
        return IS(&name, "te");
    case 4:
        return of_request && IS(&name, "host");
    case 7:
        return IS(&name, "upgrade");
    case 10:
        return IS(&name, "connection") || IS(&name, "keep-alive");
    case 16:
        return IS(&name, "proxy-connection");
    case 17:
        return IS(&name, "transfer-encoding");
    default:
        return 0;
    }
}

/* Writes field lines; NULL where Python has to. Without `sized`, a Content-Length is one of these cases. */
static Byte *put_lines(Byte *to, PyObject *block, int of_request, int sized)
{
    const char *at = PyBytes_AS_STRING(block), *end = at + PyBytes_GET_SIZE(block);
    Byte lower[128];
    while (to != NULL && at < end) {
        Py_ssize_t size = 0;
        for (; at < end && size < (Py_ssize_t)sizeof lower && lower_of[(Byte)*at]; size++)
            lower[size] = lower_of[(Byte)*at++];
        if (size == 0 || size == sizeof lower || at == end || *at++ != ':')
            return NULL;
        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
        const char *line_end = memchr(at, '\r', (size_t)(end - at));
        if (line_end == NULL || end - line_end < 2 || line_end[1] != '\n')
            return NULL;
        Text value = {at, line_end - at};
        while (value.size && (value.at[value.size - 1] == ' ' || value.at[value.size - 1] == '\t'))
            value.size--;
        at = line_end + 2;
        if (left_out(lower, size, of_request))
            continue;
        int index = static_index(lower, size);
        if (!sized && index == 28)
            return NULL;
        if (index) {
            to = put_indexed(to, index, &value);
        } else if (size + value.size + FIELD_EXTRA_BYTES > sent_end - to) {
            return NULL;
        } else {
            Text name = {(const char *)lower, size};
            *to++ = 0;
            to = put_string(put_string(to, &name), &value);
        }
    }
    return to;
}

typedef struct {
    PyObject *added, *prefix; /* borrowed; `prefix` may be NULL */
    uint32_t stream;
    int ended;
} How;

static int read_stream(PyObject *object, How *how)
{
    long stream = PyLong_CheckExact(object) ? PyLong_AsLong(object) : -1;
    if (stream == -1 && PyErr_Occurred())
        PyErr_Clear();
    how->stream = (uint32_t)stream;
    return stream >= 0 && stream <= 0x7fffffff;
}

static int read_prefix(PyObject *const *arguments, Py_ssize_t count, Py_ssize_t place, How *how)
{
    how->prefix = count > place ? arguments[place] : NULL;
    return how->prefix == NULL ||
           (PyBytes_CheckExact(how->prefix) && PyBytes_GET_SIZE(how->prefix) < FIELD_EXTRA_BYTES);
}

/* Reads (message, added, stream, ended, prefix); 0 for what is not plain. */
static int read_how(PyTypeObject *type, PyObject *const *arguments, Py_ssize_t count, PyObject *names, How *how)
{
    if (names != NULL || count < 4 || count > 5 || !Py_IS_TYPE(arguments[0], type) ||
        !PyBytes_CheckExact(arguments[1]) || !PyBool_Check(arguments[3]))
        return 0;
    how->added = arguments[1];
    how->ended = arguments[3] == Py_True;
    return read_stream(arguments[2], how) && read_prefix(arguments, count, 4, how);
}

static Byte *begin(const How *how)
{
    Text prefix = {NULL, 0};
    if (how->prefix != NULL)
        prefix = (Text){PyBytes_AS_STRING(how->prefix), PyBytes_GET_SIZE(how->prefix)};
    return (Byte *)put((char *)sent + FRAME_HEADER_BYTES, &prefix);
}

/* The frame whose block ends at `to`. */
static PyObject *finish(const Byte *to, const How *how)
{
    Py_ssize_t size = to - sent - FRAME_HEADER_BYTES;
    const Byte header[FRAME_HEADER_BYTES] = {
        (Byte)(size >> 16), (Byte)(size >> 8), (Byte)size, HEADERS, (Byte)(END_HEADERS | (how->ended ? END_STREAM : 0)),
        (Byte)(how->stream >> 24), (Byte)(how->stream >> 16), (Byte)(how->stream >> 8), (Byte)how->stream,
    };
    memcpy(sent, header, sizeof header);
    return PyBytes_FromStringAndSize((const char *)sent, to - sent);
}

static int has_edits(PyObject *fields)
{
    PyObject *added = value_of(sent_fields, fields, AT_ADDED), *dropped = value_of(sent_fields, fields, AT_DROPPED);
    Py_XDECREF(added); /* they stay in their slots */
    Py_XDECREF(dropped);
    return added != Py_None || dropped != Py_None;
}

/* The field lines, with the edits of policies applied: a new reference. NULL with or without an error set. */
static PyObject *block_of(PyObject *fields)
{
    if (fields == NULL || !Py_IS_TYPE(fields, sent_fields->type))
        return NULL;
    PyObject *block = has_edits(fields) ? PyObject_CallMethodNoArgs(fields, name_block)
                                        : value_of(sent_fields, fields, AT_BLOCK);
    if (block != NULL && !PyBytes_CheckExact(block))
        Py_CLEAR(block);
    return block;
}

/* An int of a slot; `other` for anything else, and for one that no long can hold. */
static long number_of(const Class *class, PyObject *instance, Py_ssize_t place, long other)
{
    PyObject *value = value_of(class, instance, place);
    int overflow = 0;
    long number = value != NULL && PyLong_CheckExact(value) ? PyLong_AsLongAndOverflow(value, &overflow) : other;
    Py_XDECREF(value);
    return overflow ? other : number;
}

/* Whether a length is an int, and not UNKNOWN: see sending.py. */
static int is_sized(const Class *class, PyObject *message, Py_ssize_t place)
{
    return number_of(class, message, place, UNKNOWN) != UNKNOWN;
}

/* The bytes of a slot, which are valid until Python code runs again; false for anything else. */
static int text_of(const Class *class, PyObject *instance, Py_ssize_t place, Text *text)
{
    PyObject *value = value_of(class, instance, place);
    int found = value != NULL && PyBytes_CheckExact(value);
    if (found)
        *text = (Text){PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)};
    Py_XDECREF(value);
    return found;
}

static Byte *put_request(PyObject *request, PyObject *block, const How *how)
{
    Text method, path, authority;
    PyObject *takes_trailers = value_of(sent_request, request, AT_TAKES_TRAILERS);
    Py_XDECREF(takes_trailers); /* True and False stay */
    if (!text_of(sent_request, request, AT_METHOD, &method) || !text_of(sent_request, request, AT_PATH, &path) ||
        !text_of(sent_request, request, AT_AUTHORITY, &authority) ||
        (takes_trailers != Py_True && takes_trailers != Py_False))
        return NULL;
    Byte *to = begin(how);
    if (IS(&method, "GET"))
        *to++ = 0x82;
    else if (IS(&method, "POST"))
        *to++ = 0x83;
    else
        to = put_indexed(to, 2, &method);
    if (to == NULL)
        return NULL;
    *to++ = 0x86; /* :scheme http */
    if (IS(&path, "/"))
        *to++ = 0x84;
    else if (IS(&path, "/index.html"))
        *to++ = 0x85;
    else
        to = put_indexed(to, 4, &path);
    if (to != NULL && authority.size)
        to = put_indexed(to, 1, &authority);
    if (to != NULL)
        to = put_lines(to, block, 1, is_sized(sent_request, request, AT_LENGTH));
    if (to != NULL)
        to = put_lines(to, how->added, 1, 1);
    if (to == NULL || takes_trailers == Py_False)
        return to;
    static const Byte te[] = "\0\2te\x08trailers";
    if (sent_end - to < (Py_ssize_t)sizeof te)
        return NULL;
    memcpy(to, te, sizeof te - 1);
    return to + sizeof te - 1;
}

static Byte *put_response(PyObject *response, PyObject *block, const How *how)
{
    static const int whole[] = {200, 204, 206, 304, 400, 404, 500}; /* from index 8 */
    long status = number_of(sent_response, response, AT_STATUS, 0);
    if (status < 100 || status > 999)
        return NULL;
    char digits[] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10)};
    Text value = {digits, sizeof digits};
    Byte *to = begin(how);
    for (int i = 0; i < (int)(sizeof whole / sizeof *whole); i++)
        if (status == whole[i]) {
            *to++ = (Byte)(0x80 | (8 + i));
            status = 0;
            break;
        }
    if (status)
        to = put_indexed(to, 8, &value);
    if (to != NULL)
        to = put_lines(to, block, 0, is_sized(sent_response, response, AT_RESPONSE_LENGTH));
    return to == NULL ? NULL : put_lines(to, how->added, 0, 1);
}

/* Writes a head if it is plain, else lets Python do it. */
static PyObject *headers(const Class *class, Py_ssize_t at_fields, Byte *(*put_head)(PyObject *, PyObject *, const How *),
                         PyObject *pure, PyObject *const *arguments, Py_ssize_t count, PyObject *names)
{
    How how;
    if (read_how(class->type, arguments, count, names, &how)) {
        PyObject *fields = value_of(class, arguments[0], at_fields);
        PyObject *block = block_of(fields);
        Py_XDECREF(fields);
        if (block != NULL) {
            const Byte *to = put_head(arguments[0], block, &how);
            Py_DECREF(block);
            if (to != NULL)
                return finish(to, &how);
        }
        if (PyErr_Occurred())
            return NULL;
    }
    return PyObject_Vectorcall(pure, arguments, (size_t)count, names);
}

static PyObject *request_headers(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count,
                                 PyObject *names)
{
    return headers(sent_request, AT_FIELDS, put_request, pure_request_headers, arguments, count, names);
}

static PyObject *response_headers(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count,
                                  PyObject *names)
{
    return headers(sent_response, AT_RESPONSE_FIELDS, put_response, pure_response_headers, arguments, count, names);
}

static PyObject *trailers_headers(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count,
                                  PyObject *names)
{
    How how = {.ended = 1};
    if (names == NULL && count >= 2 && count <= 3 && PyBytes_CheckExact(arguments[0]) &&
        read_stream(arguments[1], &how) && read_prefix(arguments, count, 2, &how)) {
        const Byte *to = put_lines(begin(&how), arguments[0], 0, 1);
        if (to != NULL)
            return finish(to, &how);
    }
    return PyObject_Vectorcall(pure_trailers_headers, arguments, (size_t)count, names);
}

/* Finds what sending needs; 0 with an error set. */
static int meet_sending(const Class *fields, const Class *request, const Class *response)
{
    sent_fields = fields, sent_request = request, sent_response = response;
    learn_names();
    pure_request_headers = imported("nodeproxy.protocol.http2.sending", "request_headers");
    pure_response_headers = imported("nodeproxy.protocol.http2.sending", "response_headers");
    pure_trailers_headers = imported("nodeproxy.protocol.http2.sending", "trailers_headers");
    name_block = PyUnicode_InternFromString("block");
    return pure_request_headers && pure_response_headers && pure_trailers_headers && name_block;
}

#endif
