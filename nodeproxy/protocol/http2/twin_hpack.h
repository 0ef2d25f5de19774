/* HPACK for the compiled twin: the tables, the Huffman code and integers. Source: RFC 7541.

   What it does not accept is no verdict: the Python decoder reads the block again. The tables of the RFC are learnt from
   the Python modules, so each stands in one place. */

#ifndef NODEPROXY_TWIN_HPACK_H
#define NODEPROXY_TWIN_HPACK_H

#include "../objects.h"
#include <stdint.h>
#include <string.h>

typedef unsigned char Byte;

typedef struct {
    const char *at;
    Py_ssize_t size;
} Text;

enum {
    STATIC_ENTRIES = 61,
    TABLE_BYTES = 4096, /* as hpack/table.py */
    OVERHEAD_BYTES = 32,
    MOST_ENTRIES = TABLE_BYTES / OVERHEAD_BYTES,
    SMALLEST_RING = 8,
};

/* A field of a table. Its line in HTTP/1 is ready to be copied, and its name and value have been judged once. */
typedef struct {
    uint16_t name_size, value_size;
    Byte named; /* what a name like this is, whatever its value */
    Byte what;  /* what the field is: ODD also where its value is not plain */
    char line[]; /* name: value CRLF */
} Entry;

static Entry *static_entries[STATIC_ENTRIES + 1]; /* from 1 */

static Py_ssize_t line_size(const Entry *entry)
{
    return (Py_ssize_t)entry->name_size + entry->value_size + 4;
}

static Text entry_name(const Entry *entry)
{
    return (Text){entry->line, entry->name_size};
}

static Text entry_value(const Entry *entry)
{
    return (Text){entry->line + entry->name_size + 2, entry->value_size};
}

static char *put(char *to, const Text *text)
{
    if (text->size)
        memcpy(to, text->at, (size_t)text->size);
    return to + text->size;
}

static char *put_line(char *to, const Text *name, const Text *value)
{
    to = put(to, name);
    *to++ = ':';
    *to++ = ' ';
    to = put(to, value);
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

/* An entry of at most TABLE_BYTES; NULL with MemoryError set. */
static Entry *new_entry(const Text *name, const Text *value, int named, int what)
{
    Entry *entry = PyMem_Malloc(sizeof *entry + (size_t)(name->size + value->size + 4));
    if (entry == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    entry->name_size = (uint16_t)name->size;
    entry->value_size = (uint16_t)value->size;
    entry->named = (Byte)named;
    entry->what = (Byte)what;
    put_line(entry->line, name, value);
    return entry;
}

/* The dynamic table. Entries have numbers that count up, modulo 2^32, and lie in a ring by their number. Evicted ones stay
   behind the live ones until `settle`: so a block that Python has to read can be undone by `undo`. */
typedef struct {
    PyObject_HEAD
    Entry **ring;
    uint32_t capacity; /* a power of 2, or 0 */
    uint32_t next;     /* number of the next entry */
    uint32_t count;    /* live entries */
    uint32_t first;    /* number of the oldest that is in the ring, live or evicted */
    Py_ssize_t size, most;
} Table;

typedef struct {
    uint32_t next, count;
    Py_ssize_t size;
} Mark;

static Entry **place_of(const Table *table, uint32_t number)
{
    return &table->ring[number & (table->capacity - 1)];
}

/* The entry of an index as received, NULL if there is none. */
static Entry *entry_at(const Table *table, uint64_t index)
{
    if (index <= STATIC_ENTRIES)
        return index ? static_entries[index] : NULL;
    index -= STATIC_ENTRIES + 1;
    return index < table->count ? *place_of(table, table->next - 1 - (uint32_t)index) : NULL;
}

static Mark mark_of(const Table *table)
{
    return (Mark){table->next, table->count, table->size};
}

/* Frees what was evicted. */
static void settle(Table *table)
{
    while (table->first != table->next - table->count)
        PyMem_Free(*place_of(table, table->first++));
}

/* Makes the table what it was at `mark`, if nothing was settled since. */
static void undo(Table *table, const Mark *mark)
{
    while (table->next != mark->next)
        PyMem_Free(*place_of(table, --table->next));
    table->count = mark->count;
    table->size = mark->size;
}

static void evict(Table *table, Py_ssize_t room)
{
    while (table->count && table->size > room)
        table->size -= line_size(*place_of(table, table->next - table->count--)) - 4 + OVERHEAD_BYTES;
}

/* Room for one more in the ring; 0 with MemoryError set. */
static int make_room(Table *table)
{
    uint32_t held = table->next - table->first;
    if (held < table->capacity)
        return 1;
    uint32_t capacity = table->capacity ? table->capacity * 2 : SMALLEST_RING;
    Entry **ring = PyMem_Malloc(capacity * sizeof *ring);
    if (ring == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    for (uint32_t number = table->first; number != table->next; number++)
        ring[number & (capacity - 1)] = *place_of(table, number);
    PyMem_Free(table->ring);
    table->ring = ring;
    table->capacity = capacity;
    return 1;
}

/* Inserts an entry that fits into the table, and takes it over; 0 with MemoryError set. */
static int insert(Table *table, Entry *entry)
{
    Py_ssize_t size = line_size(entry) - 4 + OVERHEAD_BYTES;
    if (!make_room(table)) {
        PyMem_Free(entry);
        return 0;
    }
    evict(table, table->most - size);
    *place_of(table, table->next++) = entry;
    table->count++;
    table->size += size;
    return 1;
}

/* The integer at `at`, whose first byte is there, with a prefix of all ones in `most`; NULL where Python has to look. */
static const Byte *read_integer(const Byte *at, const Byte *end, Byte most, uint32_t *value)
{
    uint32_t number = *at++ & most;
    if (number == most) {
        for (unsigned shift = 0;; shift += 7) {
            if (at == end || shift > 21) /* more than 4 bytes: 2^28 and above is no size */
                return NULL;
            number += (uint32_t)(*at & 0x7f) << shift;
            if (*at++ < 0x80)
                break;
        }
    }
    *value = number;
    return at;
}

/* The Huffman code. Up to two symbols whose codes are in the next LOOKUP_BITS bits are found by one look; longer codes by
   their length, as the code is canonical. */
enum { LOOKUP_BITS = 12, MOST_CODE_BITS = 30, MOST_LENGTHS = 32 };

typedef struct {
    Byte symbol[2];
    Byte bits;  /* of the first symbol's code; 0 where it is longer than a look */
    Byte both;  /* of the codes of both symbols; 0 where only one is here */
} Look;

typedef struct {
    Byte bits;
    uint32_t first, count; /* codes of this length */
    Byte symbols[64];
} Length;

static Look looks[1 << LOOKUP_BITS];
static Length lengths[MOST_LENGTHS];
static int length_count;

/* Finds the symbol that the 64 bits begin with; 0 if there is none. */
static int long_code(uint64_t bits, Byte *symbol, unsigned *size)
{
    for (int i = 0; i < length_count; i++) {
        uint64_t code = (bits >> (64 - lengths[i].bits)) - lengths[i].first;
        if (code < lengths[i].count) { /* below `first` it is a huge number */
            *symbol = lengths[i].symbols[code];
            *size = lengths[i].bits;
            return 1;
        }
    }
    return 0;
}

/* Decodes to `to`, which has room for 8/5 of the bytes, and one more; NULL where the code is malformed. */
static char *unhuffman(const Byte *at, Py_ssize_t size, char *to)
{
    const Byte *end = at + size;
    uint64_t bits = 0; /* the next ones, from the highest; ones behind them */
    unsigned have = 0;
    for (;;) {
        while (have <= 56 && at < end) {
            bits |= (uint64_t)*at++ << (56 - have);
            have += 8;
        }
        uint64_t padded = have < 64 ? bits | (~(uint64_t)0 >> have) : bits;
        const Look *look = &looks[padded >> (64 - LOOKUP_BITS)];
        Byte symbol = look->symbol[0];
        unsigned used = look->bits;
        if (look->both && look->both <= have) {
            *to++ = (char)symbol;
            symbol = look->symbol[1];
            used = look->both;
        } else if (!used && have && !long_code(padded, &symbol, &used)) {
            return have < 8 && at == end && padded == ~(uint64_t)0 ? to : NULL;
        }
        if (used > have || !have) /* only padding is left, less than a byte of ones */
            return have < 8 && padded == ~(uint64_t)0 ? to : NULL;
        *to++ = (char)symbol;
        bits <<= used;
        have -= used;
    }
}

/* Learns the code from huffman.SYMBOLS: pairs of a length in bits and its symbols in order. 0 with an error set. */
static int learn_huffman(PyObject *rows)
{
    uint32_t code = 0;
    Byte last = 0;
    if (!PyTuple_Check(rows) || PyTuple_GET_SIZE(rows) > MOST_LENGTHS) {
        PyErr_SetString(PyExc_TypeError, "huffman.SYMBOLS is not a tuple of at most 32 pairs");
        return 0;
    }
    length_count = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(rows); i++) {
        int bits;
        const char *symbols;
        Py_ssize_t count;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(rows, i), "iy#", &bits, &symbols, &count))
            return 0;
        if (bits <= last || bits > MOST_CODE_BITS || count > (Py_ssize_t)sizeof lengths->symbols) {
            PyErr_SetString(PyExc_ValueError, "huffman.SYMBOLS is not ordered by length, or too long");
            return 0;
        }
        code <<= bits - last;
        last = (Byte)bits;
        Length *length = &lengths[length_count++];
        *length = (Length){.bits = last, .first = code, .count = (uint32_t)count};
        memcpy(length->symbols, symbols, (size_t)count);
        code += (uint32_t)count;
    }
    for (uint64_t look = 0; look < 1 << LOOKUP_BITS; look++) {
        Byte symbol;
        unsigned size;
        uint64_t begin = look << (64 - LOOKUP_BITS);
        looks[look] = (Look){{0, 0}, 0, 0};
        if (!long_code(begin, &symbol, &size) || size > LOOKUP_BITS)
            continue;
        looks[look].symbol[0] = symbol;
        looks[look].bits = (Byte)size;
        unsigned first = size;
        if (long_code(begin << first, &symbol, &size) && first + size <= LOOKUP_BITS) {
            looks[look].symbol[1] = symbol;
            looks[look].both = (Byte)(first + size);
        }
    }
    return 1;
}

/* What a field is; see twin.c. */
static int named_as(const Text *name);
static int judged(int named, const Text *value);

static int learn_static_table(PyObject *pairs)
{
    if (!PyTuple_Check(pairs) || PyTuple_GET_SIZE(pairs) != STATIC_ENTRIES) {
        PyErr_SetString(PyExc_TypeError, "static_table.ENTRIES is not a tuple of 61 pairs");
        return 0;
    }
    for (Py_ssize_t i = 0; i < STATIC_ENTRIES; i++) {
        Text name, value;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(pairs, i), "y#y#", &name.at, &name.size, &value.at, &value.size))
            return 0;
        int named = named_as(&name);
        Entry *entry = new_entry(&name, &value, named, judged(named, &value));
        if (entry == NULL)
            return 0;
        PyMem_Free(static_entries[i + 1]);
        static_entries[i + 1] = entry;
    }
    return 1;
}

/* The type Table, with the interface of hpack/table.py. */

static PyObject *table_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, named, ":Table", names))
        return NULL;
    Table *table = (Table *)type->tp_alloc(type, 0);
    if (table != NULL)
        table->most = TABLE_BYTES;
    return (PyObject *)table;
}

static void table_dealloc(PyObject *self)
{
    Table *table = (Table *)self;
    while (table->first != table->next)
        PyMem_Free(*place_of(table, table->first++));
    PyMem_Free(table->ring);
    Py_TYPE(self)->tp_free(self);
}

static Py_ssize_t table_length(PyObject *self)
{
    return ((Table *)self)->count;
}

static PyObject *table_add(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    Table *table = (Table *)self;
    if (count != 2 || !PyBytes_Check(arguments[0]) || !PyBytes_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "add(name: bytes, value: bytes)");
        return NULL;
    }
    Text name = {PyBytes_AS_STRING(arguments[0]), PyBytes_GET_SIZE(arguments[0])};
    Text value = {PyBytes_AS_STRING(arguments[1]), PyBytes_GET_SIZE(arguments[1])};
    if (name.size + value.size + OVERHEAD_BYTES > table->most) {
        evict(table, 0);
    } else {
        int kind = named_as(&name);
        Entry *entry = new_entry(&name, &value, kind, judged(kind, &value));
        if (entry == NULL || !insert(table, entry))
            return NULL;
    }
    settle(table);
    Py_RETURN_NONE;
}

static PyObject *table_get(PyObject *self, PyObject *index)
{
    Py_ssize_t number = PyNumber_AsSsize_t(index, PyExc_IndexError);
    if (number == -1 && PyErr_Occurred())
        return NULL;
    const Entry *entry = number < 1 ? NULL : entry_at((Table *)self, (uint64_t)number);
    if (entry == NULL) {
        PyErr_SetObject(PyExc_IndexError, index);
        return NULL;
    }
    Text name = entry_name(entry), value = entry_value(entry);
    return Py_BuildValue("y#y#", name.at, name.size, value.at, value.size);
}

static PyObject *table_resize(PyObject *self, PyObject *most)
{
    Table *table = (Table *)self;
    Py_ssize_t bytes = PyNumber_AsSsize_t(most, PyExc_OverflowError);
    if (bytes == -1 && PyErr_Occurred())
        return NULL;
    if (bytes < 0 || bytes > TABLE_BYTES) {
        PyErr_Format(PyExc_ValueError, "a table has 0 to %d bytes, not %zd", TABLE_BYTES, bytes);
        return NULL;
    }
    table->most = bytes;
    evict(table, bytes);
    settle(table);
    Py_RETURN_NONE;
}

static PyMemberDef table_members[] = {
    {"size", T_PYSSIZET, offsetof(Table, size), READONLY, "Of the dynamic entries, in bytes."},
    {"most", T_PYSSIZET, offsetof(Table, most), READONLY, "Limit of `size`, in bytes."},
    {NULL},
};

static PyMethodDef table_methods[] = {
    {"add", (PyCFunction)(void (*)(void))table_add, METH_FASTCALL, "See hpack.table.Table.add."},
    {"get", table_get, METH_O, "See hpack.table.Table.get."},
    {"resize", table_resize, METH_O, "See hpack.table.Table.resize."},
    {NULL},
};

static PySequenceMethods table_sequence = {.sq_length = table_length};

static PyTypeObject table_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "nodeproxy.protocol.http2.twin.Table",
    .tp_basicsize = sizeof(Table),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "The tables of a connection's decoder, see hpack.table.Table.",
    .tp_new = table_new,
    .tp_dealloc = table_dealloc,
    .tp_as_sequence = &table_sequence,
    .tp_members = table_members,
    .tp_methods = table_methods,
};

#endif
