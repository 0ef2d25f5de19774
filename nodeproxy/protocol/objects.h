/* Makes the objects of messages for the compiled twins, without the setters and __init__ of their classes. */

#ifndef NODEPROXY_OBJECTS_H
#define NODEPROXY_OBJECTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

enum { MOST_SLOTS = 12 };

/* A class of messages. Its instances are made here without its __init__ where Python runs it, because the places of its
   slots are known. Compiled by mypyc its attributes are properties: then `maker` makes an instance of them. */
typedef struct {
    PyTypeObject *type;
    PyObject *maker;               /* a function of the class' module; NULL where the slots' places are known */
    const char *maker_name;
    Py_ssize_t taken;              /* how many arguments it takes: the first of `items` */
    Py_ssize_t offset[MOST_SLOTS]; /* of each slot, in the order in which `items` come */
    PyGetSetDef *property[MOST_SLOTS];
} Class;

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

/* The value of a slot, by its place among the names given to `find_slots`: a new reference, NULL where there is none. */
static inline PyObject *value_of(const Class *class, PyObject *instance, Py_ssize_t place)
{
    const PyGetSetDef *property = class->property[place];
    if (property == NULL)
        return Py_XNewRef(*(PyObject **)(void *)((char *)instance + class->offset[place]));
    PyObject *value = property->get(instance, property->closure);
    if (value == NULL)
        PyErr_Clear();
    return value;
}

/* An instance with these items in its slots, which it takes over; NULL if one of them could not be made. */
static inline PyObject *instance_of(const Class *class, PyObject *const *items, Py_ssize_t count)
{
    int whole = 1;
    for (Py_ssize_t i = 0; i < count; i++)
        whole &= items[i] != NULL;
    PyObject *instance = NULL;
    if (whole && class->maker == NULL)
        instance = class->type->tp_alloc(class->type, 0);
    if (instance != NULL) {
        for (Py_ssize_t i = 0; i < count; i++)
            *(PyObject **)(void *)((char *)instance + class->offset[i]) = items[i];
        return instance;
    }
    if (whole && class->maker != NULL)
        instance = PyObject_Vectorcall(class->maker, items, (size_t)class->taken, NULL);
    for (Py_ssize_t i = 0; i < count; i++)
        Py_XDECREF(items[i]);
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
static inline int find_slots(Class *class, const char *module, const char *name, const char *const *slots)
{
    int known = 1;
    class->type = (PyTypeObject *)imported(module, name);
    for (int i = 0; class->type != NULL && slots[i] != NULL; i++) {
        PyObject *slot = PyObject_GetAttrString((PyObject *)class->type, slots[i]);
        if (slot == NULL)
            return 0;
        if (Py_IS_TYPE(slot, &PyMemberDescr_Type)) {
            class->offset[i] = ((PyMemberDescrObject *)slot)->d_member->offset;
        } else if (Py_IS_TYPE(slot, &PyGetSetDescr_Type)) {
            class->property[i] = ((PyGetSetDescrObject *)slot)->d_getset;
            known = 0;
        } else {
            PyErr_Format(PyExc_TypeError, "%s.%s is not a slot", name, slots[i]);
            Py_DECREF(slot);
            return 0;
        }
        Py_DECREF(slot);
    }
    return class->type != NULL && (known || (class->maker = imported(module, class->maker_name)) != NULL);
}

/* Finds the slots of the three classes of messages. Their order is that of the items of `instance_of`. */
static inline int find_messages(Class *fields, Class *request, Class *response)
{
    static const char *const of_fields[] = {"_block", "_added", "_dropped", NULL};
    static const char *const of_request[] = {"method", "scheme", "authority", "path", "fields", "length", "version",
                                             "expects", "takes_trailers", "service", "traced", "upgrade", NULL};
    static const char *const of_response[] = {"status", "_phrase", "version", "fields", "dated", "length",
                                              "first", "body", "attempt", "reason", "upgrade", "tunnel", NULL};
    *fields = (Class){.maker_name = "Fields", .taken = 1};
    *request = (Class){.maker_name = "received_request", .taken = 12};
    *response = (Class){.maker_name = "received_response", .taken = 6};
    return find_slots(fields, "nodeproxy.protocol.fields", "Fields", of_fields) &&
           find_slots(request, "nodeproxy.protocol.message", "Request", of_request) &&
           find_slots(response, "nodeproxy.protocol.message", "Response", of_response);
}

#endif
