/* Where C and Python meet: the objects that both know. */
#ifndef TRACERD_PYTHON_H
#define TRACERD_PYTHON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "pump.h"

enum { /* the classes that the pump makes objects of, in the order of NativePump's tuple */
    CLASS_STOP,
    CLASS_CALL,
    CLASS_PAIR,
    CLASS_CUT,
    CLASS_FAULT,
    CLASS_STRINGS,
    CLASS_OPENED,
    CLASS_MESSAGE,
    CLASS_PART,
    CLASS_VECTOR,
    CLASS_SEVERAL,
    CLASSES,
};

enum { MAX_FIELDS = 9 };

struct shape { /* a class, and how to make an object of it without its constructor */
    PyTypeObject *type;
    allocfunc make;
    PyObject *fields[MAX_FIELDS]; /* names of a dataclass's fields; none for a tuple */
};

typedef struct {
    PyObject_HEAD
    struct pump pump;
    struct shape shapes[CLASSES];
    PyObject *will_run_again, *nothing; /* nothing: the empty tuple */
    bool open, taking;
} PumpObject;

/* shape.c: raise and return false or NULL on failure */
bool shapes_init(PumpObject *, PyObject *classes);
void shapes_clear(PumpObject *);
PyObject *stop_made(PumpObject *, const struct found *);
PyObject *pair_made(PumpObject *, const struct record *);
PyObject *enter_made(PumpObject *, const struct record *);
PyObject *inside_made(PumpObject *, const struct task *);

PyObject *captured_made(PumpObject *, const struct buffer *, size_t count);

/* plans.c */
bool captures_read(PyObject *plan, struct captures *); /* to be freed even if it failed */
void captures_free(struct captures *);
struct action *action_made(PyObject *); /* of a Python Action */
void action_free(struct action *);
void actions_bury(struct pump *);       /* frees those that nobody refers to; with the GIL */
struct table *table_for(struct pump *, PyObject *actions);
void tables_free(struct pump *);

#endif
