/* Records as Python objects. */
#include "python.h"

static const char *const FIELDS[CLASSES][MAX_FIELDS] = {
    [CLASS_CUT] = {"data", "size"},
    [CLASS_FAULT] = {"address"},
    [CLASS_STRINGS] = {"items", "whole"},
    [CLASS_OPENED] = {"link", "dev", "ino", "deleted", "mode", "rdev", "more"},
    [CLASS_MESSAGE] = {"name", "data", "iovlen", "controllen", "flags", "control", "width",
                       "namelen", "passed"},
    [CLASS_PART] = {"which", "args", "captured"},
    [CLASS_VECTOR] = {"data", "lengths"},
    [CLASS_SEVERAL] = {"items"},
};

bool shapes_init(PumpObject *self, PyObject *classes) {
    if (!PyTuple_Check(classes) || PyTuple_Size(classes) != CLASSES) {
        PyErr_SetString(PyExc_TypeError, "classes: a tuple of another length");
        return false;
    }
    self->nothing = PyTuple_New(0);
    if (!self->nothing) return false;
    for (Py_ssize_t which = 0; which < CLASSES; which++) {
        PyObject *type = PyTuple_GetItem(classes, which);
        if (!type || !PyType_Check(type)) {
            PyErr_SetString(PyExc_TypeError, "classes: not a class");
            return false;
        }
        struct shape *shape = &self->shapes[which];
        Py_INCREF(type);
        shape->type = (PyTypeObject *)type;
        shape->make = (allocfunc)PyType_GetSlot(shape->type, Py_tp_alloc);
        if (!shape->make) return false;
        for (int at = 0; at < MAX_FIELDS && FIELDS[which][at]; at++) {
            shape->fields[at] = PyUnicode_InternFromString(FIELDS[which][at]);
            if (!shape->fields[at]) return false;
        }
    }
    return true;
}

void shapes_clear(PumpObject *self) {
    for (int which = 0; which < CLASSES; which++) {
        struct shape *shape = &self->shapes[which];
        PyObject *type = (PyObject *)shape->type;
        shape->type = NULL;
        Py_XDECREF(type);
        for (int at = 0; at < MAX_FIELDS; at++) Py_CLEAR(shape->fields[at]);
    }
    Py_CLEAR(self->nothing);
}

/* --- making objects ------------------------------------------------------------------------------ */

/* All of these take over the references to the values, and fail if one of them is NULL. */

static PyObject *tuple_made(const struct shape *shape, PyObject **values, Py_ssize_t count) {
    PyObject *made = shape ? shape->make(shape->type, count) : PyTuple_New(count);
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *value = values[at];
        if (!made) Py_XDECREF(value);
        else if (!value) Py_CLEAR(made);
        else PyTuple_SetItem(made, at, value);
    }
    return made;
}

static PyObject *object_made(const struct shape *shape, PyObject **values) {
    PyObject *made = shape->make(shape->type, 0);
    for (int at = 0; at < MAX_FIELDS && shape->fields[at]; at++) {
        PyObject *value = values[at];
        /* Past the class's own way of setting, which a frozen dataclass refuses. */
        if (made && (!value || PyObject_GenericSetAttr(made, shape->fields[at], value) < 0))
            Py_CLEAR(made);
        Py_XDECREF(value);
    }
    return made;
}

static PyObject *new_reference(PyObject *object) {
    Py_INCREF(object);
    return object;
}

static PyObject *truth(bool value) { return new_reference(value ? Py_True : Py_False); }

static PyObject *words_made(const uint64_t *words, size_t count) {
    PyObject *made = PyTuple_New((Py_ssize_t)count);
    for (size_t at = 0; made && at < count; at++) {
        PyObject *word = PyLong_FromUnsignedLongLong(words[at]);
        if (!word) Py_CLEAR(made);
        else PyTuple_SetItem(made, (Py_ssize_t)at, word);
    }
    return made;
}

/* --- captured values ------------------------------------------------------------------------------ */

static PyObject *value_made(PumpObject *self, struct cursor *from);

static PyObject *bytes_made(struct cursor *from) {
    size_t length;
    const unsigned char *at = get_bytes(from, &length);
    return PyBytes_FromStringAndSize((const char *)at, (Py_ssize_t)length);
}

static PyObject *product(uint64_t size, uint64_t factor) {
    PyObject *first = PyLong_FromUnsignedLongLong(size);
    if (factor == 1 || !first) return first;
    PyObject *second = PyLong_FromUnsignedLongLong(factor);
    PyObject *made = second ? PyNumber_Multiply(first, second) : NULL;
    Py_DECREF(first);
    Py_XDECREF(second);
    return made;
}

static PyObject *strings_made(PumpObject *self, struct cursor *from) {
    bool whole = get_u8(from) != 0;
    Py_ssize_t count = get_u32(from);
    PyObject *items = PyTuple_New(count);
    for (Py_ssize_t at = 0; items && at < count; at++) {
        PyObject *item = bytes_made(from);
        if (!item) Py_CLEAR(items);
        else PyTuple_SetItem(items, at, item);
    }
    PyObject *values[] = {items, truth(whole)};
    return object_made(&self->shapes[CLASS_STRINGS], values);
}

static PyObject *vector_made(PumpObject *self, struct cursor *from) {
    uint64_t lengths[MAX_IOVECS];
    size_t count = get_u32(from);
    if (count > MAX_IOVECS) count = MAX_IOVECS;
    for (size_t at = 0; at < count; at++) lengths[at] = get_u64(from);
    PyObject *values[2];
    values[1] = words_made(lengths, count);
    values[0] = value_made(self, from);
    return object_made(&self->shapes[CLASS_VECTOR], values);
}
static PyObject *values_made(PumpObject *self, struct cursor *from, size_t count);

static PyObject *message_made(PumpObject *self, struct cursor *from) {
    PyObject *values[MAX_FIELDS];
    values[2] = PyLong_FromUnsignedLongLong(get_u64(from));
    values[3] = PyLong_FromUnsignedLongLong(get_u64(from));
    values[4] = PyLong_FromLong((int32_t)get_u32(from));
    values[6] = PyLong_FromLong((long)get_u8(from));
    values[7] = PyLong_FromLong((int32_t)get_u32(from));
    values[0] = bytes_made(from);
    values[5] = bytes_made(from);
    values[8] = values_made(self, from, get_u32(from));
    values[1] = value_made(self, from);
    return object_made(&self->shapes[CLASS_MESSAGE], values);
}

static PyObject *values_made(PumpObject *self, struct cursor *from, size_t count) {
    if (count == 0) return new_reference(self->nothing);
    PyObject *made = PyTuple_New((Py_ssize_t)count);
    for (size_t at = 0; made && at < count; at++) {
        /* Nothing is left if there was no memory for it. */
        PyObject *value = from->at < from->end ? value_made(self, from) : new_reference(Py_None);
        if (!value) Py_CLEAR(made);
        else PyTuple_SetItem(made, (Py_ssize_t)at, value);
    }
    return made;
}

static PyObject *part_made(PumpObject *self, struct cursor *from) {
    uint64_t which = get_u64(from), words[MAX_WORDS];
    size_t count = get_u32(from);
    if (count > MAX_WORDS) count = MAX_WORDS;
    for (size_t at = 0; at < count; at++) words[at] = get_u64(from);
    size_t captured = get_u32(from);
    PyObject *values[] = {
        PyLong_FromUnsignedLongLong(which),
        words_made(words, count),
        values_made(self, from, captured),
    };
    return object_made(&self->shapes[CLASS_PART], values);
}

static PyObject *value_made(PumpObject *self, struct cursor *from) {
    PyObject *values[MAX_FIELDS];
    switch ((enum tag)get_u8(from)) {
    case TAG_NONE:
        break;
    case TAG_FALSE:
        return truth(false);
    case TAG_TRUE:
        return truth(true);
    case TAG_BYTES:
        return bytes_made(from);
    case TAG_CUT:
        values[0] = bytes_made(from);
        values[1] = PyLong_FromLong(-1);
        return object_made(&self->shapes[CLASS_CUT], values);
    case TAG_CUT_OF: {
        uint64_t size = get_u64(from), factor = get_u64(from);
        values[1] = product(size, factor);
        values[0] = bytes_made(from);
        return object_made(&self->shapes[CLASS_CUT], values);
    }
    case TAG_FAULT:
        values[0] = PyLong_FromUnsignedLongLong(get_u64(from));
        return object_made(&self->shapes[CLASS_FAULT], values);
    case TAG_OPENED:
        values[1] = PyLong_FromUnsignedLongLong(get_u64(from));
        values[2] = PyLong_FromUnsignedLongLong(get_u64(from));
        values[3] = truth(get_u8(from) != 0);
        values[4] = PyLong_FromUnsignedLong(get_u32(from));
        values[5] = PyLong_FromUnsignedLongLong(get_u64(from));
        values[0] = bytes_made(from);
        values[6] = bytes_made(from);
        return object_made(&self->shapes[CLASS_OPENED], values);
    case TAG_STRINGS:
        return strings_made(self, from);
    case TAG_VECTOR:
        return vector_made(self, from);
    case TAG_MESSAGE:
        return message_made(self, from);
    case TAG_SEVERAL:
        values[0] = values_made(self, from, get_u32(from));
        return object_made(&self->shapes[CLASS_SEVERAL], values);
    case TAG_PART:
        return part_made(self, from);
    }
    return new_reference(Py_None);
}

PyObject *captured_made(PumpObject *self, const struct buffer *captured, size_t count) {
    struct cursor from = {captured->data, captured->data + captured->used};
    return values_made(self, &from, count);
}

/* --- records ------------------------------------------------------------------------------------- */

struct call { /* what the two Calls of a pair share, and what each has of its own */
    int tid;
    bool entering, failed;
    PyObject *action, *nr, *args; /* borrowed */
    int64_t ret, when;
    PyObject *captured, *changed; /* taken over */
};

static PyObject *call_made(PumpObject *self, const struct call *call) {
    PyObject *values[] = {
        PyLong_FromLong(call->tid),
        truth(call->entering),
        new_reference(call->action),
        new_reference(call->nr),
        new_reference(call->args),
        PyLong_FromLongLong(call->ret),
        truth(call->failed),
        PyLong_FromLongLong(call->when),
        call->captured,
        call->changed,
    };
    return tuple_made(&self->shapes[CLASS_CALL], values, 10);
}

static bool shared(struct call *call, const struct action *action, uint64_t nr,
                   const uint64_t *args) {
    call->action = (PyObject *)action->object;
    call->nr = PyLong_FromUnsignedLongLong(nr);
    call->args = words_made(args, WORDS);
    return call->nr && call->args;
}

static void let_go(struct call *call) {
    Py_XDECREF(call->nr);
    Py_XDECREF(call->args);
}

static PyObject *changed_made(PumpObject *self, const struct record *record) {
    if (record->changed_count == 0) return new_reference(self->nothing);
    uint64_t changed[MAX_CHANGED];
    for (size_t at = 0; at < record->changed_count; at++) changed[at] = record->changed[at];
    return words_made(changed, record->changed_count);
}

static PyObject *entry_made(PumpObject *self, struct call *call, const struct action *action,
                            const unsigned char *captured, size_t size) {
    struct cursor from = {captured, captured + size};
    call->entering = true;
    call->captured = values_made(self, &from, action->enter.count);
    call->changed = new_reference(self->nothing);
    return call_made(self, call);
}

PyObject *stop_made(PumpObject *self, const struct found *found) {
    PyObject *values[] = {PyLong_FromLong(found->tid), PyLong_FromLong(found->status),
                          PyLong_FromLongLong(found->when)};
    return tuple_made(&self->shapes[CLASS_STOP], values, 3);
}

PyObject *enter_made(PumpObject *self, const struct record *record) {
    struct call call = {.tid = record->tid, .when = record->entered};
    const struct action *action = record->what.action;
    PyObject *made = NULL;
    if (shared(&call, action, record->nr, record->args))
        made = entry_made(self, &call, action, (const unsigned char *)(record + 1),
                          record->entry_bytes);
    let_go(&call);
    return made;
}

PyObject *pair_made(PumpObject *self, const struct record *record) {
    struct call call = {.tid = record->tid, .when = record->entered};
    const struct action *action = record->what.action;
    const unsigned char *captured = (const unsigned char *)(record + 1);
    PyObject *made = NULL;
    if (shared(&call, action, record->nr, record->args)) {
        PyObject *pair[2];
        pair[0] = entry_made(self, &call, action, captured, record->entry_bytes);
        captured += record->entry_bytes;
        struct cursor from = {captured, captured + record->exit_bytes};
        call.entering = false;
        call.failed = record->failed;
        call.ret = record->ret;
        call.when = record->returned;
        call.captured = values_made(self, &from, record->failed ? 0 : action->exit.count);
        call.changed = changed_made(self, record);
        pair[1] = call_made(self, &call);
        made = tuple_made(&self->shapes[CLASS_PAIR], pair, 2);
    }
    let_go(&call);
    return made;
}

PyObject *inside_made(PumpObject *self, const struct task *task) {
    const struct inside *inside = &task->inside;
    struct call call = {.tid = task->tid, .when = inside->when};
    PyObject *made = NULL;
    if (shared(&call, inside->action, inside->nr, inside->args))
        made = entry_made(self, &call, inside->action, inside->captured.data,
                          inside->captured.failed ? 0 : inside->captured.used);
    let_go(&call);
    return made;
}
