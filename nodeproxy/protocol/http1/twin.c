/* The compiled twin of request_head.py, response_head.py and chunks.py: the same functions for the heads and chunks nearly all messages have.

   It only ever says yes. A head it does not recognise as plain and well-formed -- incomplete, malformed, too large, or
   with a field that asks for thought -- is handed to the Python function, whose word is the law. So there is one place
   where requests are refused, and tests hold both against each other on the same corpus and on random bytes. */

#include "../objects.h"
#include <string.h>

enum { UNKNOWN = -1, NOT_SAID = -2, MOST_CUTS = 16, MOST_DIGITS = 18, MOST_SIZE_DIGITS = 15 };

/* What a byte may be part of. */
enum { TOKEN = 1, VALUE = 2, TARGET = 4, NAME = 8, DIGIT = 16 };
static unsigned char kind[256];
static signed char hex[256]; /* what a byte is worth as a digit of a chunk's size, -1 if it is none */

static PyTypeObject *request_head_type, *response_head_type; /* named tuples */
static PyObject *pure_request, *pure_response;
static PyObject *scheme, *version, *nothing, *no_reason; /* values that many messages share */

typedef struct {
    const char *at;
    Py_ssize_t size;
} Text;

typedef struct {
    long head_bytes, fields, line_bytes;
} Limits;

/* The bytes that go on: everything from `from`, without the cuts. */
typedef struct {
    const char *from;
    Text cut[MOST_CUTS];
    int cuts;
} Onward;

typedef struct {
    Text host;
    long long length; /* NOT_SAID while no field has said */
    int persistent, has_connection, traced, dated;
    Onward onward;
} Found;

static int is_called(const Text *name, const char *lower)
{
    for (Py_ssize_t i = 0; i < name->size; i++) {
        unsigned char byte = (unsigned char)name->at[i];
        if (byte >= 'A' && byte <= 'Z')
            byte |= 0x20;
        if (byte != (unsigned char)lower[i])
            return 0;
    }
    return lower[name->size] == '\0';
}

static Text trimmed(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return (Text){from, to - from};
}

static int take_length(Found *found, const Text *value)
{
    long long number = 0;
    if (found->length != NOT_SAID || value->size < 1 || value->size > MOST_DIGITS)
        return 0;
    for (Py_ssize_t i = 0; i < value->size; i++) {
        if (!(kind[(unsigned char)value->at[i]] & DIGIT))
            return 0;
        number = number * 10 + (value->at[i] - '0');
    }
    found->length = number;
    return 1;
}

static int take_host(Found *found, const Text *value)
{
    Py_ssize_t i = 0, digits;
    if (found->host.size)
        return 0;
    while (i < value->size && kind[(unsigned char)value->at[i]] & NAME)
        i++;
    if (i == 0)
        return 0;
    if (i < value->size) {
        if (value->at[i++] != ':')
            return 0;
        for (digits = 0; i < value->size && kind[(unsigned char)value->at[i]] & DIGIT; i++)
            digits++;
        if (i < value->size || digits < 1 || digits > 5)
            return 0;
    }
    found->host = *value;
    return 1;
}

static int take_connection(Found *found, const Text *value)
{
    if (found->has_connection++)
        return 0;
    if (is_called(value, "close"))
        found->persistent = 0;
    else if (!is_called(value, "keep-alive"))
        return 0;
    return 1;
}

/* What becomes of a field. */
enum { LEAVE_TO_PYTHON, GOES_ON, ENDS_HERE };

static int sort_request_field(Found *found, const Text *name, const Text *value)
{
    switch (name->size) {
    case 2:
        return is_called(name, "te") ? LEAVE_TO_PYTHON : GOES_ON;
    case 4:
        return !is_called(name, "host") || take_host(found, value);
    case 6:
        return is_called(name, "expect") ? LEAVE_TO_PYTHON : GOES_ON;
    case 7:
        return is_called(name, "upgrade") ? LEAVE_TO_PYTHON : GOES_ON;
    case 9:
        if (is_called(name, "x-real-ip"))
            return ENDS_HERE;
        return is_called(name, "forwarded") || memchr(name->at, '_', 9) ? LEAVE_TO_PYTHON : GOES_ON;
    case 10:
        if (is_called(name, "connection"))
            return take_connection(found, value) ? ENDS_HERE : LEAVE_TO_PYTHON;
        return is_called(name, "keep-alive") ? ENDS_HERE : GOES_ON;
    case 11:
        found->traced |= is_called(name, "traceparent");
        return GOES_ON;
    case 12:
        return is_called(name, "max-forwards") ? LEAVE_TO_PYTHON : GOES_ON;
    case 14:
        if (is_called(name, "content-length"))
            return take_length(found, value);
        return is_called(name, "x-mesh-service") ? LEAVE_TO_PYTHON : GOES_ON;
    case 15:
    case 16:
    case 17:
        if (is_called(name, "x-forwarded-for") || is_called(name, "x-forwarded-host") ||
            is_called(name, "x-forwarded-proto") || is_called(name, "proxy-connection"))
            return ENDS_HERE;
        return is_called(name, "transfer-encoding") || memchr(name->at, '_', (size_t)name->size) ? LEAVE_TO_PYTHON
                                                                                                 : GOES_ON;
    default:
        return GOES_ON;
    }
}

static int sort_response_field(Found *found, const Text *name, const Text *value)
{
    switch (name->size) {
    case 2:
        return is_called(name, "te") ? LEAVE_TO_PYTHON : GOES_ON;
    case 4:
        found->dated |= is_called(name, "date");
        return GOES_ON;
    case 7:
        return is_called(name, "upgrade") ? LEAVE_TO_PYTHON : GOES_ON;
    case 10:
        if (is_called(name, "connection"))
            return take_connection(found, value) ? ENDS_HERE : LEAVE_TO_PYTHON;
        return is_called(name, "keep-alive") ? ENDS_HERE : GOES_ON;
    case 12:
        return is_called(name, "x-mesh-error") ? LEAVE_TO_PYTHON : GOES_ON;
    case 14:
        return !is_called(name, "content-length") || take_length(found, value);
    case 16:
        return is_called(name, "proxy-connection") ? LEAVE_TO_PYTHON : GOES_ON;
    case 17:
        if (!is_called(name, "transfer-encoding"))
            return GOES_ON;
        if (found->length != NOT_SAID || !is_called(value, "chunked"))
            return LEAVE_TO_PYTHON;
        found->length = UNKNOWN;
        return ENDS_HERE;
    default:
        return GOES_ON;
    }
}

/* Reads all fields from `at`; gives the first byte behind the head, NULL where Python has to look. */
static const char *read_fields(const char *at, const char *end, long most, Found *found,
                               int (*sort)(Found *, const Text *, const Text *))
{
    for (long count = 0;; count++) {
        const char *line = at, *colon;
        if (end - at < 2)
            return NULL;
        if (at[0] == '\r')
            return at[1] == '\n' ? at + 2 : NULL;
        if (count == most)
            return NULL;
        while (at < end && kind[(unsigned char)*at] & TOKEN)
            at++;
        if (at == line || at == end || *at != ':')
            return NULL;
        colon = at++;
        while (at < end && kind[(unsigned char)*at] & VALUE)
            at++;
        if (end - at < 2 || at[0] != '\r' || at[1] != '\n')
            return NULL;
        Text name = {line, colon - line}, value = trimmed(colon + 1, at);
        at += 2;
        switch (sort(found, &name, &value)) {
        case LEAVE_TO_PYTHON:
            return NULL;
        case ENDS_HERE:
            if (found->onward.cuts == MOST_CUTS)
                return NULL;
            found->onward.cut[found->onward.cuts++] = (Text){line, at - line};
        }
    }
}

static PyObject *bytes_of(const Onward *onward, const char *to)
{
    Py_ssize_t size = to - onward->from;
    for (int i = 0; i < onward->cuts; i++)
        size -= onward->cut[i].size;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes == NULL)
        return NULL;
    char *into = PyBytes_AS_STRING(bytes);
    const char *from = onward->from;
    for (int i = 0; i < onward->cuts; i++) {
        memcpy(into, from, (size_t)(onward->cut[i].at - from));
        into += onward->cut[i].at - from;
        from = onward->cut[i].at + onward->cut[i].size;
    }
    memcpy(into, from, (size_t)(to - from));
    return bytes;
}

static PyObject *text(const Text *text)
{
    return PyBytes_FromStringAndSize(text->at, text->size);
}

static Class fields_class, request_class, response_class;

static PyObject *fields_of(const Onward *onward, const char *to)
{
    PyObject *items[] = {bytes_of(onward, to), ref(Py_None), ref(Py_None)};
    return instance_of(&fields_class, items, sizeof items / sizeof *items);
}

static int read_limits(PyObject *const *args, Py_ssize_t count, Limits *limits)
{
    if (count != 2 || !PyBytes_CheckExact(args[0]) || !PyTuple_Check(args[1]) || PyTuple_GET_SIZE(args[1]) != 3)
        return 0;
    limits->head_bytes = PyLong_AsLong(PyTuple_GET_ITEM(args[1], 0));
    limits->fields = PyLong_AsLong(PyTuple_GET_ITEM(args[1], 1));
    limits->line_bytes = PyLong_AsLong(PyTuple_GET_ITEM(args[1], 2));
    if (PyErr_Occurred())
        PyErr_Clear();
    return limits->head_bytes >= 0 && limits->fields >= 0 && limits->line_bytes >= 0;
}

static PyObject *plain_request(PyObject *data, const Limits *limits)
{
    const char *start = PyBytes_AS_STRING(data), *at = start, *end = start + PyBytes_GET_SIZE(data);
    Found found = {.length = NOT_SAID, .persistent = 1};
    Text method, target;

    while (at < end && kind[(unsigned char)*at] & TOKEN)
        at++;
    method = (Text){start, at - start};
    if (method.size == 0 || end - at < 2 || at[0] != ' ' || at[1] != '/')
        return NULL;
    target.at = ++at;
    while (at < end && kind[(unsigned char)*at] & TARGET)
        at++;
    target.size = at - target.at;
    if (end - at < 11 || memcmp(at, " HTTP/1.1\r\n", 11) != 0 || at + 11 - start > limits->line_bytes)
        return NULL;
    found.onward.from = at + 11;
    at = read_fields(at + 11, end, limits->fields, &found, sort_request_field);
    if (at == NULL || at - start > limits->head_bytes || found.host.size == 0)
        return NULL;
    if (is_called(&method, "connect"))
        return NULL;

    PyObject *items[] = {
        text(&method),
        ref(scheme),
        text(&found.host),
        text(&target),
        fields_of(&found.onward, at - 2),
        PyLong_FromLongLong(found.length == NOT_SAID ? 0 : found.length),
        ref(version),
        ref(Py_False),
        ref(Py_False),
        ref(nothing),
        PyBool_FromLong(found.traced),
        ref(nothing),
    };
    PyObject *head[] = {
        instance_of(&request_class, items, sizeof items / sizeof *items),
        PyLong_FromLong(1),
        PyBool_FromLong(found.persistent),
        PyTuple_New(0),
        PyLong_FromSsize_t(at - start),
    };
    return tuple_of(request_head_type, head, sizeof head / sizeof *head);
}

static PyObject *plain_response(PyObject *data, const Limits *limits)
{
    const char *start = PyBytes_AS_STRING(data), *at = start, *end = start + PyBytes_GET_SIZE(data);
    Found found = {.length = NOT_SAID, .persistent = 1};
    Text phrase;
    int status;

    if (end - at < 14 || memcmp(at, "HTTP/1.1 ", 9) != 0 || at[9] < '1' || at[9] > '9' ||
        !(kind[(unsigned char)at[10]] & DIGIT) || !(kind[(unsigned char)at[11]] & DIGIT))
        return NULL;
    status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
    at += 12;
    if (*at != ' ')
        return NULL; /* the space is missing, and will be sent */
    phrase.at = ++at;
    while (at < end && kind[(unsigned char)*at] & VALUE)
        at++;
    phrase.size = at - phrase.at;
    if (end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return NULL;
    found.onward.from = at + 2;
    at = read_fields(at + 2, end, limits->fields, &found, sort_response_field);
    if (at == NULL || at - start > limits->head_bytes)
        return NULL;
    if (found.length != NOT_SAID && (status < 200 || status == 204)) /* the field does not go on */
        return NULL;

    PyObject *items[] = {
        PyLong_FromLong(status),
        text(&phrase),
        ref(version),
        fields_of(&found.onward, at - 2),
        PyBool_FromLong(found.dated),
        PyLong_FromLongLong(found.length == NOT_SAID ? UNKNOWN : found.length),
        ref(nothing),
        ref(Py_None),
        ref(Py_None),
        ref(no_reason),
        ref(nothing),
        ref(Py_None),
    };
    PyObject *head[] = {
        instance_of(&response_class, items, sizeof items / sizeof *items),
        PyBool_FromLong(found.length != NOT_SAID),
        PyBool_FromLong(found.persistent),
        PyTuple_New(0),
        PyLong_FromSsize_t(at - start),
    };
    return tuple_of(response_head_type, head, sizeof head / sizeof *head);
}

static PyObject *scan(PyObject *(*plain)(PyObject *, const Limits *), PyObject *pure, PyObject *const *args,
                      Py_ssize_t count)
{
    Limits limits;
    PyObject *head = read_limits(args, count, &limits) ? plain(args[0], &limits) : NULL;
    if (head != NULL || PyErr_Occurred())
        return head;
    return PyObject_Vectorcall(pure, args, (size_t)count, NULL);
}

static PyObject *scan_request(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    return scan(plain_request, pure_request, args, count);
}

static PyObject *scan_response(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    return scan(plain_response, pure_response, args, count);
}

#define MODULE "nodeproxy.protocol."

static int meet_twin(PyObject *Py_UNUSED(module))
{
    if (!find_messages(&fields_class, &request_class, &response_class))
        return -1;
    request_head_type = (PyTypeObject *)imported(MODULE "http1.request_head", "RequestHead");
    response_head_type = (PyTypeObject *)imported(MODULE "http1.response_head", "ResponseHead");
    pure_request = imported(MODULE "http1.request_head", "scan_request");
    pure_response = imported(MODULE "http1.response_head", "scan_response");
    scheme = PyBytes_FromString("http");
    version = PyBytes_FromString("1.1");
    nothing = PyBytes_FromStringAndSize(NULL, 0);
    no_reason = PyUnicode_InternFromString("");
    return request_head_type && response_head_type && pure_request && pure_response && scheme && version && nothing &&
                   no_reason
               ? 0
               : -1;
}

/* One chunk without extensions that is here as a whole, with its last line end: where that is; NULL for anything else. */
static const char *plain_chunk(const char *at, const char *end, Text *data)
{
    const char *from = at;
    long long size = 0;
    while (at < end && at - from < MOST_SIZE_DIGITS && hex[(unsigned char)*at] >= 0)
        size = size * 16 + hex[(unsigned char)*at++];
    if (size == 0 || end - at < 4 || at[0] != '\r' || at[1] != '\n')
        return NULL;
    at += 2;
    if (size > end - at - 2 || at[size] != '\r' || at[size + 1] != '\n')
        return NULL;
    *data = (Text){at, (Py_ssize_t)size};
    return at + size + 2;
}

static PyObject *plain_chunks(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3 || !PyBytes_CheckExact(arguments[0])) {
        PyErr_SetString(PyExc_TypeError, "plain_chunks(data: bytes, at: int, most: int)");
        return NULL;
    }
    Py_ssize_t at = PyLong_AsSsize_t(arguments[1]), most = PyLong_AsSsize_t(arguments[2]), chunks = 0, size = 0;
    if (PyErr_Occurred())
        return NULL;
    const char *begin = PyBytes_AS_STRING(arguments[0]), *end = begin + PyBytes_GET_SIZE(arguments[0]);
    if (at < 0 || at > end - begin)
        return Py_BuildValue("y#nn", "", (Py_ssize_t)0, at, (Py_ssize_t)0);
    Text data;
    const char *next = begin + at, *last = next;
    while (chunks < most && (next = plain_chunk(last, end, &data))) {
        last = next;
        size += data.size;
        chunks++;
    }
    PyObject *body = PyBytes_FromStringAndSize(NULL, size);
    if (!body)
        return NULL;
    char *to = PyBytes_AS_STRING(body);
    for (next = begin + at; next < last; to += data.size) {
        next = plain_chunk(next, end, &data);
        memcpy(to, data.at, (size_t)data.size);
    }
    return Py_BuildValue("Nnn", body, (Py_ssize_t)(last - begin), chunks);
}

static void learn_alphabets(void)
{
    for (int byte = 0; byte < 256; byte++) {
        int lower = byte | 0x20;
        hex[byte] = (signed char)(byte >= '0' && byte <= '9' ? byte - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1);
        int digit = byte >= '0' && byte <= '9', letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        if (digit)
            kind[byte] |= DIGIT;
        if (digit || letter || (byte && strchr("!#$%&'*+-.^_`|~", byte)))
            kind[byte] |= TOKEN;
        if (digit || letter || (byte && strchr("._-", byte)))
            kind[byte] |= NAME;
        if (byte == '\t' || (byte >= 0x20 && byte != 0x7f))
            kind[byte] |= VALUE;
        if (byte > 0x20 && byte < 0x7f && byte != '#' && byte != '\\')
            kind[byte] |= TARGET;
    }
}

static PyMethodDef functions[] = {
    {"scan_request", (PyCFunction)(void (*)(void))scan_request, METH_FASTCALL, "See request_head.scan_request."},
    {"scan_response", (PyCFunction)(void (*)(void))scan_response, METH_FASTCALL, "See response_head.scan_response."},
    {"plain_chunks", (PyCFunction)(void (*)(void))plain_chunks, METH_FASTCALL, "See chunks.plain_chunks."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, meet_twin}, {0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "twin", .m_doc = "The compiled twin of heads and chunks.", .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit_twin(void)
{
    learn_alphabets();
    return PyModuleDef_Init(&module);
}
