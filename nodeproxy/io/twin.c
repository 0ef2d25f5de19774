/* The compiled twin of socket_calls.py and parking.py: the same results, 0.2 us less for each call.
 *
 * Python's own socket methods give up the interpreter around each system call and make room for the most that may come
 * before they know how much has. These calls never block, and a worker has no other thread that waits for it: they keep
 * the interpreter, and receive into room that is always there.
 */
#define _GNU_SOURCE /* accept4 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#define RECEIVE_BYTES (64 * 1024)  /* as in socket_calls.py */

static char room[RECEIVE_BYTES];  /* used only while the interpreter is held */

static int would_wait(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* Whether to make a call that a signal has interrupted again; handlers of Python have run then. */
static int again(void)
{
    return errno == EINTR && PyErr_CheckSignals() == 0;
}

static PyObject *failed(void)
{
    return PyErr_Occurred() ? NULL : PyErr_SetFromErrno(PyExc_OSError);
}

/* Returns 0 with an exception where it is none. */
static int descriptor_of(PyObject *number, int *descriptor)
{
    long value = PyLong_AsLong(number);
    if (value == -1 && PyErr_Occurred())
        return 0;
    if (value < INT_MIN || value > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "no descriptor is as large");
        return 0;
    }
    *descriptor = (int)value;
    return 1;
}

static PyObject *receive(PyObject *module, PyObject *argument)
{
    (void)module;
    int descriptor;
    if (!descriptor_of(argument, &descriptor))
        return NULL;
    ssize_t received;
    do {
        received = recv(descriptor, room, sizeof room, MSG_DONTWAIT);
    } while (received < 0 && again());
    if (received >= 0)
        return PyBytes_FromStringAndSize(room, received);
    if (would_wait())
        Py_RETURN_NONE;
    return failed();
}

static PyObject *send_some(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "send takes a descriptor and data, not %zd arguments", count);
    int descriptor;
    if (!descriptor_of(arguments[0], &descriptor))
        return NULL;
    Py_buffer data;
    if (PyObject_GetBuffer(arguments[1], &data, PyBUF_SIMPLE) < 0)
        return NULL;
    ssize_t sent;
    do {
        sent = send(descriptor, data.buf, (size_t)data.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && again());
    PyObject *result = sent >= 0 ? PyLong_FromSsize_t(sent) : would_wait() ? PyLong_FromLong(0) : failed();
    PyBuffer_Release(&data);
    return result;
}

static PyObject *accept_one(PyObject *module, PyObject *listener)
{
    (void)module;
    PyObject *number = PyObject_CallMethod(listener, "fileno", NULL);
    if (number == NULL)
        return NULL;
    int descriptor, found = descriptor_of(number, &descriptor);
    Py_DECREF(number);
    if (!found)
        return NULL;
    struct sockaddr_storage client;
    socklen_t size = sizeof client;
    int accepted;
    do {
        accepted = accept4(descriptor, (struct sockaddr *)&client, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (accepted < 0 && again());
    if (accepted < 0 && (would_wait() || errno == ECONNABORTED))
        Py_RETURN_NONE;
    if (accepted < 0)
        return failed();
    char text[INET6_ADDRSTRLEN];
    const void *address = client.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&client)->sin6_addr
                                                       : (void *)&((struct sockaddr_in *)&client)->sin_addr;
    if (inet_ntop(client.ss_family, address, text, sizeof text) == NULL)
        text[0] = 0;
    return Py_BuildValue("is", accepted, text);
}

/* See parking.Park. */
typedef struct {
    PyObject_HEAD
    int resumed;
} Park;

static PySendResult park_send(PyObject *self, PyObject *value, PyObject **result)
{
    (void)value;
    *result = Py_NewRef(Py_None);
    return ((Park *)self)->resumed++ ? PYGEN_RETURN : PYGEN_NEXT;
}

static PyObject *park_next(PyObject *self)
{
    return ((Park *)self)->resumed++ ? NULL : Py_NewRef(Py_None);
}

static PyAsyncMethods park_awaited = {.am_await = PyObject_SelfIter, .am_send = park_send};

static PyTypeObject park_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "nodeproxy.io.twin.Park",
    .tp_basicsize = sizeof(Park),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_as_async = &park_awaited,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = park_next,
};

static PyObject *park(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    Park *one = PyObject_New(Park, &park_type);
    if (one != NULL)
        one->resumed = 0;
    return (PyObject *)one;
}

static PyMethodDef functions[] = {
    {"accept", accept_one, METH_O, "See socket_calls.accept."},
    {"park", park, METH_NOARGS, "See parking.Park."},
    {"receive", receive, METH_O, "See socket_calls.receive."},
    {"send", (PyCFunction)(void (*)(void))send_some, METH_FASTCALL, "See socket_calls.send."},
    {NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "nodeproxy.io.twin", "The compiled twin of socket_calls and parking.", -1, functions,
};

PyMODINIT_FUNC PyInit_twin(void)
{
    return PyType_Ready(&park_type) < 0 ? NULL : PyModule_Create(&module);
}
