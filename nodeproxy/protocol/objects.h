/* Makes the objects of messages for the compiled twins, without the setters and __init__ of their classes. */

#ifndef NODEPROXY_OBJECTS_H
#define NODEPROXY_OBJECTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

enum { MOST_SLOTS = 12 };

/* A class with slots, whose instances are made here without its __init__. */
typedef struct {
    PyTypeObject *type;
    Py_ssize_t offset[MOST_SLOTS]; /* of each slot, in the order in which `items` come */
} Slotted;

static inline PyObject *ref(PyObject *object)
{
    return Py_NewRef(object);
}

/* A named tuple of these items, which it takes over; NULL if one of them could not be made. */
static inline PyObject *tuple_of(PyTypeObject *type, PyObject *const *items, Py_ssize_t count)
{
    PyObject *tuple = type->tp_alloc(type, count);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (tuple != NULL)
            PyTuple_SET_ITEM(tuple, i, items[i]);
        else
            Py_XDECREF(items[i]);
    }
    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++)
        if (items[i] == NULL)
            Py_CLEAR(tuple);
    return tuple;
}

/* The slot of an instance, by its place among the names given to `find_slots`. */
static inline PyObject **slot_of(const Slotted *class, PyObject *instance, Py_ssize_t place)
{
    return (PyObject **)(void *)((char *)instance + class->offset[place]);
}

/* An instance with these items in its slots, which it takes over; NULL if one of them could not be made. */
static inline PyObject *instance_of(const Slotted *class, PyObject *const *items, Py_ssize_t count)
{
    PyObject *instance = class->type->tp_alloc(class->type, 0);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (instance != NULL)
            *slot_of(class, instance, i) = items[i];
        else
            Py_XDECREF(items[i]);
    }
    for (Py_ssize_t i = 0; instance != NULL && i < count; i++)
        if (items[i] == NULL)
            Py_CLEAR(instance);
    return instance;
}

static inline PyObject *imported(const char *module, const char *name)
{
    PyObject *found = NULL, *from = PyImport_ImportModule(module);
    if (from != NULL)
        found = PyObject_GetAttrString(from, name);
    Py_XDECREF(from);
    return found;
}

/* Finds where instances of a class have the slots of these names, NULL behind the last; false with an error set. */
static inline int find_slots(Slotted *class, const char *module, const char *name, const char *const *slots)
{
    class->type = (PyTypeObject *)imported(module, name);
    for (int i = 0; class->type != NULL && slots[i] != NULL; i++) {
        PyObject *slot = PyObject_GetAttrString((PyObject *)class->type, slots[i]);
        if (slot == NULL)
            return 0;
        if (!Py_IS_TYPE(slot, &PyMemberDescr_Type)) {
            PyErr_Format(PyExc_TypeError, "%s.%s is not a slot", name, slots[i]);
            Py_DECREF(slot);
            return 0;
        }
        class->offset[i] = ((PyMemberDescrObject *)slot)->d_member->offset;
        Py_DECREF(slot);
    }
    return class->type != NULL;
}

/* Finds the slots of the three classes of messages. Their order is that of the items of `instance_of`. */
static inline int find_messages(Slotted *fields, Slotted *request, Slotted *response)
{
    static const char *const of_fields[] = {"_block", "_added", "_dropped", NULL};
    static const char *const of_request[] = {"method", "scheme", "authority", "path", "fields", "length", "version",
                                             "expects", "takes_trailers", "service", "traced", "upgrade", NULL};
    static const char *const of_response[] = {"status", "_phrase", "version", "fields", "dated", "length",
                                              "first", "body", "attempt", "reason", "upgrade", "tunnel", NULL};
    return find_slots(fields, "nodeproxy.protocol.fields", "Fields", of_fields) &&
           find_slots(request, "nodeproxy.protocol.message", "Request", of_request) &&
           find_slots(response, "nodeproxy.protocol.message", "Response", of_response);
}

#endif
