/* Actions as C has them: made from the Python ones when a call is first seen. */
#include "python.h"

#include <stdlib.h>
#include <string.h>

static bool get_long(PyObject *of, const char *name, long long *value) {
    PyObject *found = PyObject_GetAttrString(of, name);
    if (!found) return false;
    *value = PyLong_AsLongLong(found);
    Py_DECREF(found);
    return *value != -1 || !PyErr_Occurred();
}

static bool get_int(PyObject *of, const char *name, int *value) {
    long long wide;
    if (!get_long(of, name, &wide)) return false;
    *value = (int)wide;
    return true;
}

static bool get_truth(PyObject *of, const char *name, bool *value) {
    PyObject *found = PyObject_GetAttrString(of, name);
    if (!found) return false;
    int truth = PyObject_IsTrue(found);
    Py_DECREF(found);
    *value = truth == 1;
    return truth >= 0;
}

static void *none_if(size_t count, size_t size) { return calloc(count ? count : 1, size); }

/* --- captures ------------------------------------------------------------------------------------- */

void captures_free(struct captures *captures) {
    for (size_t at = 0; at < captures->count; at++) {
        struct capture *capture = &captures->each[at];
        for (size_t part = 0; part < capture->part_count; part++)
            captures_free(&capture->parts[part].captures);
        free(capture->parts);
    }
    free(captures->each);
    *captures = (struct captures){0};
}

/* pair: what `parts` has for a word: how many arguments are in memory, and what to capture.
 * first: the place of the first of them. */
static bool part_read(PyObject *which, PyObject *pair, size_t first, struct part *part) {
    part->which = PyLong_AsUnsignedLongLong(which);
    if (PyErr_Occurred()) return false;
    if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
        PyErr_SetString(PyExc_TypeError, "parts: not a pair");
        return false;
    }
    part->words = PyLong_AsSize_t(PyTuple_GetItem(pair, 0));
    if (PyErr_Occurred()) return false;
    if (part->words > MAX_WORDS - first) {
        PyErr_SetString(PyExc_ValueError, "parts: too many arguments");
        return false;
    }
    return captures_read(PyTuple_GetItem(pair, 1), &part->captures);
}

static bool parts_read(PyObject *from, struct capture *capture) {
    PyObject *parts = PyObject_GetAttrString(from, "parts");
    if (!parts) return false;
    if (parts == Py_None) {
        Py_DECREF(parts);
        return true;
    }
    PyObject *items = PyMapping_Items(parts);
    Py_DECREF(parts);
    if (!items) return false;
    size_t count = (size_t)PyList_Size(items);
    capture->parts = none_if(count, sizeof *capture->parts);
    bool fine = capture->parts != NULL;
    for (size_t at = 0; fine && at < count; at++) {
        PyObject *item = PyList_GetItem(items, (Py_ssize_t)at);
        capture->part_count = at + 1;
        fine = part_read(PyTuple_GetItem(item, 0), PyTuple_GetItem(item, 1),
                         capture->b >= 0 ? (size_t)capture->b : 0, &capture->parts[at]);
    }
    Py_DECREF(items);
    return fine;
}

static bool capture_read(PyObject *from, struct capture *capture) {
    int how;
    long long limit;
    if (!get_int(from, "how", &how) || !get_int(from, "a", &capture->a) ||
        !get_int(from, "b", &capture->b) || !get_int(from, "c", &capture->c) ||
        !get_int(from, "width", &capture->width) || !get_long(from, "limit", &limit))
        return false;
    if (how < HOW_CSTRING || how > HOW_POINTED || capture->a >= MAX_WORDS ||
        capture->b >= (how == HOW_FD ? 64 : MAX_WORDS) ||
        (capture->width != 4 && capture->width != 8) || limit < 0 || limit > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "a capture that the native pump does not know");
        return false;
    }
    capture->how = (enum how)how;
    capture->limit = limit;
    return parts_read(from, capture);
}

bool captures_read(PyObject *plan, struct captures *captures) {
    Py_ssize_t count = PySequence_Size(plan);
    if (count < 0) return false;
    captures->each = none_if((size_t)count, sizeof *captures->each);
    if (!captures->each) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *capture = PySequence_GetItem(plan, at);
        if (!capture) return false;
        captures->count = (size_t)at + 1;
        bool fine = capture_read(capture, &captures->each[at]);
        Py_DECREF(capture);
        if (!fine) return false;
    }
    return true;
}

/* --- what is looked at to leave a call out ----------------------------------------------------------- */

static bool prefixes_read(PyObject *from, struct action *action) {
    PyObject *prefixes = PyObject_GetAttrString(from, "prefixes");
    if (!prefixes) return false;
    bool fine = true;
    if (prefixes != Py_None) {
        Py_ssize_t count = PySequence_Size(prefixes);
        fine = count >= 0;
        action->prefixes = fine ? none_if((size_t)count, sizeof *action->prefixes) : NULL;
        if (fine && !action->prefixes) {
            PyErr_NoMemory();
            fine = false;
        }
        action->filtered = true;
        for (Py_ssize_t at = 0; fine && at < count; at++) {
            char *text;
            Py_ssize_t length;
            PyObject *prefix = PySequence_GetItem(prefixes, at);
            fine = prefix && PyBytes_AsStringAndSize(prefix, &text, &length) == 0;
            if (fine) {
                struct prefix *to = &action->prefixes[at];
                to->text = none_if((size_t)length, 1);
                fine = to->text != NULL;
                if (fine) memcpy(to->text, text, (size_t)length);
                else PyErr_NoMemory();
                to->length = (size_t)length;
                action->prefix_count = (size_t)at + 1;
            }
            Py_XDECREF(prefix);
        }
    }
    Py_DECREF(prefixes);
    return fine;
}

static bool int_at(PyObject *sequence, Py_ssize_t at, int *value) {
    PyObject *found = PySequence_GetItem(sequence, at);
    if (!found) return false;
    *value = (int)PyLong_AsLong(found);
    Py_DECREF(found);
    return *value != -1 || !PyErr_Occurred();
}

/* Find the base of each path: plan.base has them by the position of the argument. */
static bool bases_read(PyObject *base, PyObject *arg_enter, struct action *action) {
    PyObject *items = PyMapping_Items(base);
    if (!items) return false;
    bool fine = true;
    for (Py_ssize_t at = 0; fine && at < PyList_Size(items); at++) {
        PyObject *item = PyList_GetItem(items, at);
        int position, index, path;
        fine = int_at(item, 0, &position) && int_at(item, 1, &index) &&
               int_at(arg_enter, position, &path);
        for (size_t which = 0; fine && which < action->path_count; which++)
            if (action->paths[which] == path) action->bases[which] = index;
    }
    Py_DECREF(items);
    return fine;
}

static bool paths_read(PyObject *plan, struct action *action) {
    PyObject *paths = PyObject_GetAttrString(plan, "paths");
    PyObject *base = PyObject_GetAttrString(plan, "base");
    PyObject *arg_enter = PyObject_GetAttrString(plan, "arg_enter");
    Py_ssize_t count = paths ? PySequence_Size(paths) : -1;
    bool fine = count >= 0 && base && arg_enter;
    if (fine) {
        action->paths = none_if((size_t)count, sizeof *action->paths);
        action->bases = none_if((size_t)count, sizeof *action->bases);
        if (!action->paths || !action->bases) {
            PyErr_NoMemory();
            fine = false;
        }
    }
    for (Py_ssize_t at = 0; fine && at < count; at++) {
        fine = int_at(paths, at, &action->paths[at]);
        action->bases[at] = -1;
        action->path_count = (size_t)at + 1;
        if (fine && (action->paths[at] < 0 || (size_t)action->paths[at] >= action->enter.count)) {
            PyErr_SetString(PyExc_ValueError, "plan.paths: no such capture");
            fine = false;
        }
    }
    fine = fine && bases_read(base, arg_enter, action);
    Py_XDECREF(paths);
    Py_XDECREF(base);
    Py_XDECREF(arg_enter);
    return fine;
}

/* --- what it does to descriptors ------------------------------------------------------------------------ */

static bool change_read(PyObject *from, struct change *change) {
    PyObject *found = PyObject_GetAttrString(from, "change");
    if (!found) return false;
    int effect;
    long long mask;
    bool fine = get_int(found, "effect", &effect) && get_int(found, "a", &change->a) &&
                get_int(found, "b", &change->b) && get_int(found, "c", &change->c) &&
                get_long(found, "mask", &mask);
    Py_DECREF(found);
    if (!fine) return false;
    if (effect < EFFECT_NONE || effect > EFFECT_RENAMES || change->a < 0 || change->a >= WORDS ||
        change->b < 0 || change->b >= WORDS || change->c < 0 || change->c >= WORDS) {
        PyErr_SetString(PyExc_ValueError, "a change that the native pump does not know");
        return false;
    }
    change->effect = (enum effect)effect;
    change->mask = (uint64_t)mask;
    return true;
}

/* --- actions and tables -------------------------------------------------------------------------------- */

static bool action_read(PyObject *from, struct action *action) {
    PyObject *enter = PyObject_GetAttrString(from, "enter");
    PyObject *back = PyObject_GetAttrString(from, "exit");
    PyObject *plan = PyObject_GetAttrString(from, "plan");
    bool fine = enter && back && plan && captures_read(enter, &action->enter) &&
                captures_read(back, &action->exit) &&
                get_truth(from, "tell_enter", &action->tell_enter) &&
                get_truth(from, "tell_exit", &action->tell_exit) &&
                get_truth(from, "noted", &action->noted) &&
                get_truth(from, "again", &action->again) && prefixes_read(from, action) &&
                change_read(from, &action->change) &&
                get_int(plan, "opened", &action->opened) && paths_read(plan, action);
    Py_XDECREF(enter);
    Py_XDECREF(back);
    Py_XDECREF(plan);
    return fine;
}

struct action *action_made(PyObject *from) {
    struct action *action = calloc(1, sizeof *action);
    if (!action) {
        PyErr_NoMemory();
        return NULL;
    }
    atomic_init(&action->references, 1);
    Py_INCREF(from);
    action->object = from;
    if (action_read(from, action)) return action;
    action_free(action);
    return NULL;
}

void action_free(struct action *action) {
    PyObject *object = action->object;
    captures_free(&action->enter);
    captures_free(&action->exit);
    for (size_t at = 0; at < action->prefix_count; at++) free(action->prefixes[at].text);
    free(action->prefixes);
    free(action->paths);
    free(action->bases);
    free(action);
    Py_XDECREF(object);
}

void actions_bury(struct pump *pump) {
    struct action *dead = atomic_exchange(&pump->dead, NULL);
    while (dead) {
        struct action *next = dead->next_dead;
        action_free(dead);
        dead = next;
    }
}

static void table_free(struct pump *pump, struct table *table) {
    for (int arch = 0; arch < ARCHES; arch++) {
        for (int nr = 0; table->slots[arch] && nr < SLOTS; nr++) {
            struct action *action = table->slots[arch][nr];
            if (action && action != &no_action) action_release(pump, action);
        }
        free(table->slots[arch]);
    }
    PyObject *object = table->object;
    free(table);
    Py_DECREF(object);
}

struct table *table_for(struct pump *pump, PyObject *actions) {
    for (struct table *table = pump->tables; table; table = table->next)
        if (table->object == actions) return table;
    struct table **at = &pump->tables; /* those that nobody uses any more make room */
    while (*at) {
        struct table *table = *at;
        if (table->tasks) {
            at = &table->next;
        } else {
            *at = table->next;
            table_free(pump, table);
        }
    }
    struct table *table = calloc(1, sizeof *table);
    if (!table) {
        PyErr_NoMemory();
        return NULL;
    }
    Py_INCREF(actions);
    table->object = actions;
    table->next = pump->tables;
    pump->tables = table;
    return table;
}

void tables_free(struct pump *pump) {
    while (pump->tables) {
        struct table *table = pump->tables;
        pump->tables = table->next;
        table_free(pump, table);
    }
}
