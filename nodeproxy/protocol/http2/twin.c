/* The compiled twin of reader.py and sending.py: reads plain frames and header blocks, and writes heads and trailers.

   It only ever says yes. A frame that it does not recognise as plain and well-formed -- incomplete, malformed, padded, too
   large, or with a field that asks for thought -- is left to Python, whose word is the law, with the dynamic table as it was
   before that frame. So there is one place where messages are refused, and tests hold both against each other. */

#include "twin_sending.h"

enum { HEADER_BYTES = 9, PRIORITY_BYTES = 5, PSEUDO_MOST = 5, TRAILER_BYTES = 16 * 1024, LINE_EXTRA_BYTES = 12 };
enum { DATA = 0, RST_STREAM = 3, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8 };
enum { PADDED = 0x8, PRIORITY_FLAG = 0x20, ACK = 0x1 };

/* Where a block unfolds. A larger one is left to Python. The bytes are used only between two calls of the interpreter's
   allocator of objects that it collects, so no other code can run meanwhile. */
static char lines[32 * 1024], said[4 * 1024], strings[32 * 1024];

static PyTypeObject *frame_type, *trailers_type; /* named tuples */
static Class fields_class, request_class, response_class;
static PyObject *scheme, *version, *nothing, *no_reason, *get, *post; /* values that many messages share */

typedef struct {
    long head_bytes, fields, line_bytes;
} Limits;

typedef struct {
    const Limits *limits;
    int requests, ended;
    Text method, authority, path;
    unsigned pseudo;   /* bits of the pseudo-fields */
    int status;        /* 0 where there is none */
    long pseudo_count, count;
    Py_ssize_t list_bytes;
    long long length;  /* UNKNOWN while no field has said */
    int cookies, takes_trailers, traced, dated;
    char *to, *said_to; /* ends of what is in `lines` and `said` */
} Message;

static int append(char **to, const char *limit, const Text *name, const Text *value, const Entry *entry)
{
    if (name->size + value->size + 4 > limit - *to)
        return 0;
    if (entry != NULL) {
        memcpy(*to, entry->line, (size_t)line_size(entry));
        *to += line_size(entry);
    } else {
        *to = put_line(*to, name, value);
    }
    return 1;
}

static int append_line(Message *message, const Text *name, const Text *value, const Entry *entry)
{
    return append(&message->to, lines + sizeof lines, name, value, entry);
}

/* Takes the value of a pseudo-field: judged, but not whether it is allowed here. */
static int take_pseudo(Message *message, int what, const Text *value)
{
    static const Text host = {"host", 4};
    unsigned bit = 1u << what;
    if (message->pseudo & bit || message->count > message->pseudo_count + 1 || message->requests == (what == STATUS))
        return 0;
    message->pseudo |= bit;
    message->pseudo_count++;
    switch (what) {
    case METHOD:
        message->method = *value;
        return 1;
    case PATH:
        message->path = *value;
        return 1;
    case AUTHORITY: /* before all other lines */
        message->authority = *value;
        return append_line(message, &host, value, NULL);
    case STATUS:
        message->status = (value->at[0] - '0') * 100 + (value->at[1] - '0') * 10 + (value->at[2] - '0');
    }
    return 1;
}

static int take_length(Message *message, const Text *value)
{
    long long number = 0;
    if (message->length != UNKNOWN)
        return 0;
    for (Py_ssize_t i = 0; i < value->size; i++)
        number = number * 10 + (value->at[i] - '0');
    message->length = number;
    return 1;
}

/* Takes a field, whose line is that of `entry` if it has one; 0 where Python has to look. */
static int take(Message *message, int what, const Text *name, const Text *value, const Entry *entry)
{
    message->count++;
    message->list_bytes += name->size + value->size + OVERHEAD_BYTES;
    if (what == ODD || message->list_bytes > message->limits->head_bytes ||
        message->count > message->limits->fields + PSEUDO_MOST)
        return 0;
    if (what >= METHOD)
        return take_pseudo(message, what, value);
    if (message->pseudo == 0) /* trailers */
        return what <= TRACEPARENT && append_line(message, name, value, entry);
    switch (what) {
    case DATE:
        message->dated = 1;
        break;
    case TRACEPARENT:
        message->traced = 1;
        break;
    case LENGTH:
        if (!take_length(message, value))
            return 0;
        break;
    case COOKIE:
        if (message->cookies++) /* crumbs are to be joined */
            return 0;
        break;
    case TE:
        message->takes_trailers = 1;
        return message->requests;
    case SAID:
        if (message->said_to == said)
            *message->said_to++ = '\n';
        return message->requests && append(&message->said_to, said + sizeof said, name, value, entry);
    }
    return append_line(message, name, value, entry);
}

/* Reads the string at `at`; the behind of it, NULL where Python has to look. `free` is where a decoded one goes. */
static const Byte *read_string(const Byte *at, const Byte *end, char **free, Text *text)
{
    uint32_t size;
    if (at == end)
        return NULL;
    int coded = *at & 0x80;
    at = read_integer(at, end, 0x7f, &size);
    if (at == NULL || size > end - at)
        return NULL;
    if (!coded) {
        *text = (Text){(const char *)at, size};
        return at + size;
    }
    if ((Py_ssize_t)size * 8 / 5 + 1 > strings + sizeof strings - *free)
        return NULL;
    char *to = unhuffman(at, size, *free);
    if (to == NULL)
        return NULL;
    *text = (Text){*free, to - *free};
    *free = to;
    return at + size;
}

/* Reads a block. 1: all is taken. 0: Python has to look. -1: an error is set. In the last two cases `table` is to be undone. */
static int read_block(Table *table, const Byte *at, const Byte *end, Message *message)
{
    char *free = strings;
    for (int added = 0; at < end;) {
        Byte first = *at;
        uint32_t index;
        if (first & 0x80) {
            at = read_integer(at, end, 0x7f, &index);
            const Entry *entry = at == NULL ? NULL : entry_at(table, index);
            if (entry == NULL)
                return 0;
            Text name = entry_name(entry), value = entry_value(entry);
            if (!take(message, entry->what, &name, &value, entry))
                return 0;
            continue;
        }
        int indexing = first & 0x40, named;
        Text name, value;
        if (!indexing && first & 0x20) /* the table changes its size */
            return 0;
        at = read_integer(at, end, indexing ? 0x3f : 0x0f, &index);
        if (at == NULL)
            return 0;
        if (index) {
            const Entry *entry = entry_at(table, index);
            if (entry == NULL)
                return 0;
            name = entry_name(entry);
            named = entry->named;
        } else {
            at = read_string(at, end, &free, &name);
            if (at == NULL)
                return 0;
            named = named_as(&name);
        }
        at = read_string(at, end, &free, &value);
        if (at == NULL)
            return 0;
        int what = judged(named, &value);
        Entry *entry = NULL;
        if (indexing) {
            if (what == ODD || name.size + value.size + OVERHEAD_BYTES > table->most || added++ == MOST_ENTRIES)
                return 0;
            entry = new_entry(&name, &value, named, what);
            if (entry == NULL || !insert(table, entry))
                return -1;
            name = entry_name(entry), value = entry_value(entry); /* which stay until the table settles */
        }
        if (!take(message, what, &name, &value, entry))
            return 0;
    }
    return 1;
}

/* Whether the fields are a message. Source: RFC 9113, 8.3.1, 8.3.2. */
static int is_whole(const Message *message)
{
    enum { OF_REQUEST = 1u << METHOD | 1u << SCHEME | 1u << AUTHORITY | 1u << PATH };
    const Limits *limits = message->limits;
    if (message->pseudo == 0)
        return message->to - lines <= TRAILER_BYTES;
    if (message->requests)
        return message->pseudo == OF_REQUEST && !(message->ended && message->length > 0) &&
               message->count - message->pseudo_count + 1 <= limits->fields &&
               message->method.size + message->path.size + LINE_EXTRA_BYTES <= limits->line_bytes;
    return message->count - message->pseudo_count <= limits->fields &&
           !(message->status < 200 && message->ended) &&
           !(message->length != UNKNOWN && (message->status < 200 || message->status == 204));
}

static PyObject *bytes_of(const Text *text)
{
    return PyBytes_FromStringAndSize(text->at, text->size);
}

static PyObject *method_of(const Text *method)
{
    if (method->size == 3 && memcmp(method->at, "GET", 3) == 0)
        return ref(get);
    if (method->size == 4 && memcmp(method->at, "POST", 4) == 0)
        return ref(post);
    return bytes_of(method);
}

static PyObject *lines_of(const Message *message)
{
    return PyBytes_FromStringAndSize(lines, message->to - lines);
}

static PyObject *length_of(const Message *message)
{
    return PyLong_FromLongLong(message->length == UNKNOWN && message->ended ? 0 : message->length);
}

static PyObject *fields_of(PyObject *block)
{
    PyObject *items[] = {block, ref(Py_None), ref(Py_None)};
    return instance_of(&fields_class, items, sizeof items / sizeof *items);
}

/* What the block says. The bytes are copied out of the buffers and the table before anything is made that is collected. */
static PyObject *payload_of(const Message *message, Table *table)
{
    PyObject *block = lines_of(message);
    if (message->pseudo == 0) {
        settle(table);
        return tuple_of(trailers_type, &block, 1);
    }
    if (!message->requests) {
        settle(table);
        PyObject *items[] = {
            PyLong_FromLong(message->status),
            ref(nothing),
            ref(version),
            fields_of(block),
            PyBool_FromLong(message->dated),
            length_of(message),
            ref(nothing),
            ref(Py_None),
            ref(Py_None),
            ref(no_reason),
            ref(nothing),
            ref(Py_None),
        };
        return instance_of(&response_class, items, sizeof items / sizeof *items);
    }
    PyObject *method = method_of(&message->method), *authority = bytes_of(&message->authority);
    PyObject *path = bytes_of(&message->path);
    settle(table);
    PyObject *items[] = {
        method,
        ref(scheme),
        authority,
        path,
        fields_of(block),
        length_of(message),
        ref(version),
        ref(Py_False),
        PyBool_FromLong(message->takes_trailers),
        ref(nothing),
        PyBool_FromLong(message->traced),
        ref(nothing),
    };
    return instance_of(&request_class, items, sizeof items / sizeof *items);
}

typedef struct {
    Py_ssize_t size;
    int kind, flags;
    uint32_t stream;
    const Byte *payload;
} Header;

/* Appends a frame, whose `payload` and `forwarding` it takes over; 0 with an error set. */
static int append_frame(PyObject *frames, const Header *header, Py_ssize_t size, PyObject *payload, PyObject *forwarding)
{
    PyObject *items[] = {
        PyLong_FromLong(header->kind),
        PyLong_FromLong(header->flags),
        PyLong_FromUnsignedLong(header->stream),
        PyLong_FromSsize_t(size),
        payload,
        forwarding,
    };
    PyObject *frame = tuple_of(frame_type, items, sizeof items / sizeof *items);
    int done = frame != NULL && PyList_Append(frames, frame) == 0;
    Py_XDECREF(frame);
    return done;
}

static uint32_t number_at(const Byte *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* 1: the frame is among `frames`. 0: Python has to read it. -1: an error is set. */
static int read_headers(Table *table, const Header *header, int requests, const Limits *limits, PyObject *frames)
{
    const Byte *at = header->payload, *end = at + header->size;
    Message message = {.limits = limits, .requests = requests, .ended = header->flags & END_STREAM,
                       .length = UNKNOWN, .to = lines, .said_to = said};
    if (header->stream == 0 || !(header->flags & END_HEADERS) || header->flags & PADDED)
        return 0;
    if (header->flags & PRIORITY_FLAG) {
        if (header->size < PRIORITY_BYTES || (number_at(at) & 0x7fffffff) == header->stream)
            return 0;
        at += PRIORITY_BYTES;
    }
    Mark mark = mark_of(table);
    int done = read_block(table, at, end, &message);
    if (done <= 0 || !is_whole(&message)) {
        undo(table, &mark);
        return done < 0 ? -1 : 0;
    }
    PyObject *forwarding = message.said_to == said ? ref(nothing)
                                                    : PyBytes_FromStringAndSize(said, message.said_to - said);
    PyObject *payload = payload_of(&message, table);
    return append_frame(frames, header, end - at, payload, forwarding) ? 1 : -1;
}

static int is_plain(const Header *header)
{
    switch (header->kind) {
    case DATA:
        return header->stream && !(header->flags & PADDED);
    case RST_STREAM:
        return header->stream && header->size == 4;
    case SETTINGS:
        return !header->stream && header->size % 6 == 0 && !(header->flags & ACK && header->size);
    case PING:
        return !header->stream && header->size == 8;
    case WINDOW_UPDATE:
        return header->size == 4;
    default:
        return 0;
    }
}

static int read_limits(PyObject *tuple, Limits *limits)
{
    if (!PyTuple_Check(tuple) || PyTuple_GET_SIZE(tuple) != 3)
        return 0;
    limits->head_bytes = PyLong_AsLong(PyTuple_GET_ITEM(tuple, 0));
    limits->fields = PyLong_AsLong(PyTuple_GET_ITEM(tuple, 1));
    limits->line_bytes = PyLong_AsLong(PyTuple_GET_ITEM(tuple, 2));
    if (PyErr_Occurred())
        PyErr_Clear();
    return limits->head_bytes >= 0 && limits->line_bytes >= 0 && limits->fields >= 0 && limits->fields < 1 << 20;
}

static PyObject *read_plain(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    Limits limits;
    if (count != 6 || !Py_IS_TYPE(arguments[0], &table_type) || !PyBytes_CheckExact(arguments[1]) ||
        !PyBool_Check(arguments[3]) || !PyList_CheckExact(arguments[5])) {
        PyErr_SetString(PyExc_TypeError,
                        "read_plain(table: Table, data: bytes, at: int, requests: bool, limits: HeadLimits, frames: list)");
        return NULL;
    }
    const Byte *data = (const Byte *)PyBytes_AS_STRING(arguments[1]);
    Py_ssize_t at = PyLong_AsSsize_t(arguments[2]), size = PyBytes_GET_SIZE(arguments[1]);
    if (at == -1 && PyErr_Occurred())
        return NULL;
    if (!read_limits(arguments[4], &limits))
        return ref(arguments[2]);
    while (at >= 0 && at <= size - HEADER_BYTES) {
        const Byte *from = data + at;
        Header header = {
            .size = (Py_ssize_t)from[0] << 16 | from[1] << 8 | from[2],
            .kind = from[3],
            .flags = from[4],
            .stream = number_at(from + 5) & 0x7fffffff,
            .payload = from + HEADER_BYTES,
        };
        if (header.size > FRAME_BYTES || header.size > size - at - HEADER_BYTES)
            break;
        int done = 0;
        if (header.kind == HEADERS) {
            done = read_headers((Table *)arguments[0], &header, arguments[3] == Py_True, &limits, arguments[5]);
        } else if (is_plain(&header)) {
            PyObject *payload = PyBytes_FromStringAndSize((const char *)header.payload, header.size);
            done = append_frame(arguments[5], &header, header.size, payload, ref(nothing)) ? 1 : -1;
        }
        if (done < 0)
            return NULL;
        if (!done)
            break;
        at += HEADER_BYTES + header.size;
    }
    return PyLong_FromSsize_t(at);
}

#define READ "nodeproxy.protocol.http2."

static int meet_twin(PyObject *module)
{
    PyObject *symbols = imported(READ "hpack.huffman", "SYMBOLS");
    PyObject *entries = symbols ? imported(READ "hpack.static_table", "ENTRIES") : NULL;
    int learnt = entries != NULL && learn_huffman(symbols) && learn_static_table(entries);
    Py_XDECREF(symbols);
    Py_XDECREF(entries);
    if (!learnt || !find_messages(&fields_class, &request_class, &response_class) ||
        !meet_sending(&fields_class, &request_class, &response_class))
        return -1;
    frame_type = (PyTypeObject *)imported(READ "frames", "Frame");
    trailers_type = (PyTypeObject *)imported(READ "frames", "Trailers");
    scheme = PyBytes_FromString("http");
    version = PyBytes_FromString("2");
    nothing = PyBytes_FromStringAndSize(NULL, 0);
    no_reason = PyUnicode_InternFromString("");
    get = PyBytes_FromString("GET");
    post = PyBytes_FromString("POST");
    if (!frame_type || !trailers_type || !scheme || !version || !nothing || !no_reason || !get || !post)
        return -1;
    return PyModule_AddType(module, &table_type);
}

static PyMethodDef functions[] = {
    {"read_plain", (PyCFunction)(void (*)(void))read_plain, METH_FASTCALL, "See plain.read_plain."},
    {"request_headers", (PyCFunction)(void (*)(void))request_headers, METH_FASTCALL | METH_KEYWORDS,
     "See sending.request_headers."},
    {"response_headers", (PyCFunction)(void (*)(void))response_headers, METH_FASTCALL | METH_KEYWORDS,
     "See sending.response_headers."},
    {"trailers_headers", (PyCFunction)(void (*)(void))trailers_headers, METH_FASTCALL | METH_KEYWORDS,
     "See sending.trailers_headers."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, meet_twin}, {0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "twin", .m_doc = "The compiled twin of the HTTP/2 codec.", .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit_twin(void)
{
    learn_letters();
    return PyModuleDef_Init(&module);
}
