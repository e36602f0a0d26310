/* tracerd.core._pump: the Python face of the native pump.  See native_pump.py. */
#include "python.h"

#include <errno.h>
#include <stdlib.h>

/* --- ways back to Python ----------------------------------------------------------------------------- */

/* Returns what gil_given needs. */
static bool gil_taken(struct pump *pump) {
    place_awake(&pump->place);
    if (!pump->saved) return false; /* it is held */
    PyEval_RestoreThread(pump->saved);
    pump->saved = NULL;
    return true;
}

static void gil_given(struct pump *pump, bool taken) {
    if (taken) pump->saved = PyEval_SaveThread();
}

struct action *hook_find(struct pump *pump, struct task *task, uint32_t arch, uint64_t nr) {
    bool taken = gil_taken(pump);
    struct action *action = NULL;
    PyObject *found = PyObject_CallMethod(task->table->object, "find", "IK", (unsigned int)arch,
                                          (unsigned long long)nr);
    if (found && found != Py_None) action = action_made(found);
    if (PyErr_Occurred()) pump->failed = true;
    Py_XDECREF(found);
    gil_given(pump, taken);
    return action;
}

bool hook_runs_again(struct pump *pump, int tid) {
    bool taken = gil_taken(pump);
    PumpObject *self = pump->self;
    PyObject *answer = PyObject_CallFunction(self->will_run_again, "i", tid);
    int truth = answer ? PyObject_IsTrue(answer) : -1;
    if (truth < 0) pump->failed = true;
    Py_XDECREF(answer);
    gil_given(pump, taken);
    return truth == 1;
}

bool hook_signals(struct pump *pump) {
    bool taken = gil_taken(pump);
    bool fine = PyErr_CheckSignals() == 0;
    if (!fine) pump->failed = true;
    gil_given(pump, taken);
    return fine;
}

/* --- the tracer's methods ------------------------------------------------------------------------------ */

static bool is_open(PumpObject *self) {
    if (!self->open) PyErr_SetString(PyExc_ValueError, "the pump is closed");
    return self->open;
}

static PyObject *none(void) {
    Py_INCREF(Py_None);
    return Py_None;
}

static PyObject *pump_watch(PyObject *object, PyObject *args) {
    PumpObject *self = (PumpObject *)object;
    struct pump *pump = &self->pump;
    int tid, tgid, mode;
    PyObject *actions;
    if (!PyArg_ParseTuple(args, "iiOi:watch", &tid, &tgid, &actions, &mode) || !is_open(self))
        return NULL;
    if (tid <= 0 || tgid <= 0 || mode < MODE_FREE || mode > MODE_FILTERED) {
        PyErr_SetString(PyExc_ValueError, "watch: no such task or mode");
        return NULL;
    }
    struct task *former = task_of(pump, tid);
    if (former && former->table && former->table->object == actions &&
        former->space->tgid == tgid) {
        former->mode = (enum mode)mode;
        return none();
    }
    struct table *table = table_for(pump, actions);
    if (!table) return NULL;
    struct task *task = task_made(pump, tid);
    struct space *space = task ? space_of(pump, tgid) : NULL;
    if (!space) return PyErr_NoMemory();
    task_watch(pump, task, space, table, (enum mode)mode);
    actions_bury(pump);
    return none();
}

static PyObject *pump_forget(PyObject *object, PyObject *args) {
    PumpObject *self = (PumpObject *)object;
    int tid;
    if (!PyArg_ParseTuple(args, "i:forget", &tid)) return NULL;
    task_forget(&self->pump, tid);
    actions_bury(&self->pump);
    return none();
}

static PyObject *pump_new_image(PyObject *object, PyObject *args) {
    PumpObject *self = (PumpObject *)object;
    int tid, former;
    if (!PyArg_ParseTuple(args, "ii:new_image", &tid, &former)) return NULL;
    task_new_image(&self->pump, tid, former);
    return none();
}

static PyObject *pump_ended_process(PyObject *object, PyObject *args) {
    PumpObject *self = (PumpObject *)object;
    int tgid;
    if (!PyArg_ParseTuple(args, "i:ended_process", &tgid)) return NULL;
    struct space *space = map_get(&self->pump.spaces, tgid);
    if (space) memory_forget(&self->pump, space);
    return none();
}

static PyObject *pump_trust(PyObject *object, PyObject *args) {
    int tgid;
    if (!PyArg_ParseTuple(args, "i:trust_descriptors", &tgid)) return NULL;
    struct space *space = map_get(&((PumpObject *)object)->pump.spaces, tgid);
    if (space) space->descriptors.trusted = true;
    return none();
}

static PyObject *pump_distrust(PyObject *object, PyObject *args) {
    int tgid;
    if (!PyArg_ParseTuple(args, "i:distrust_descriptors", &tgid)) return NULL;
    struct space *space = map_get(&((PumpObject *)object)->pump.spaces, tgid);
    if (space) space->descriptors.escaped = true;
    return none();
}

static PyObject *pump_set_manual(PyObject *object, PyObject *args) {
    PumpObject *self = (PumpObject *)object;
    int tid, manual;
    if (!PyArg_ParseTuple(args, "ip:set_manual", &tid, &manual)) return NULL;
    task_manual(&self->pump, tid, manual != 0);
    return none();
}

static PyObject *pump_is_manual(PyObject *object, PyObject *args) {
    PumpObject *self = (PumpObject *)object;
    int tid;
    if (!PyArg_ParseTuple(args, "i:is_manual", &tid)) return NULL;
    struct task *task = task_of(&self->pump, tid);
    return PyBool_FromLong(task && task->manual);
}

static PyObject *pump_resume_method(PyObject *object, PyObject *args) {
    PumpObject *self = (PumpObject *)object;
    int tid, signo = 0;
    if (!PyArg_ParseTuple(args, "i|i:resume", &tid, &signo)) return NULL;
    return PyBool_FromLong(pump_resume(&self->pump, tid, signo));
}

static PyObject *pump_skip(PyObject *object, PyObject *args) {
    PumpObject *self = (PumpObject *)object;
    int tid;
    if (!PyArg_ParseTuple(args, "i:skip", &tid)) return NULL;
    struct task *task = task_of(&self->pump, tid);
    if (task) task_skip(&self->pump, task);
    else pump_resume(&self->pump, tid, 0);
    return none();
}

static PyObject *pump_entry(PyObject *object, PyObject *args) {
    PumpObject *self = (PumpObject *)object;
    int tid;
    if (!PyArg_ParseTuple(args, "i:entry", &tid)) return NULL;
    struct task *task = task_of(&self->pump, tid);
    return task && task->inside.action ? inside_made(self, task) : none();
}

/* --- what was found for the tracer ---------------------------------------------------------------------- */

static void found_free(PumpObject *self, struct found *found) {
    if (!found->pair) return;
    action_release(&self->pump, found->pair->what.action);
    free(found->pair);
    found->pair = NULL;
}

static PyObject *found_made(PumpObject *self, struct found *found) {
    PyObject *made = found->pair ? pair_made(self, found->pair) : stop_made(self, found);
    found_free(self, found);
    return made;
}

static PyObject *all_found(PumpObject *self) {
    struct pump *pump = &self->pump;
    PyObject *list = PyList_New(0);
    for (size_t at = 0; at < pump->found_count; at++) {
        PyObject *made = found_made(self, &pump->found[at]);
        if (list && (!made || PyList_Append(list, made) < 0)) Py_CLEAR(list);
        Py_XDECREF(made);
    }
    pump->found_count = 0;
    return list;
}

static PyObject *pump_handle(PyObject *object, PyObject *args) {
    PumpObject *self = (PumpObject *)object;
    struct pump *pump = &self->pump;
    int tid;
    if (!PyArg_ParseTuple(args, "i:handle", &tid) || !is_open(self)) return NULL;
    struct task *task = task_of(pump, tid);
    size_t before = pump->found_count;
    pump->clock = now_ns();
    if (task) task_handle(pump, task, pump->clock);
    else pump_resume(pump, tid, 0);
    actions_bury(pump);
    PyObject *pair = NULL;
    if (pump->found_count > before) pair = found_made(self, &pump->found[--pump->found_count]);
    if (pump->failed) {
        pump->failed = false;
        Py_XDECREF(pair);
        return NULL;
    }
    if (pair || PyErr_Occurred()) return pair;
    return none();
}

static PyObject *pump_wait_method(PyObject *object, PyObject *unused) {
    (void)unused;
    PumpObject *self = (PumpObject *)object;
    struct pump *pump = &self->pump;
    if (!is_open(self)) return NULL;
    if (pump->found_count) return all_found(self); /* left over when something failed */
    pump->saved = PyEval_SaveThread();
    int error = pump_wait(pump);
    place_awake(&pump->place);
    PyThreadState *saved = pump->saved;
    pump->saved = NULL;
    PyEval_RestoreThread(saved);
    actions_bury(pump);
    if (pump->failed) {
        pump->failed = false;
        return NULL;
    }
    if (error && !pump->found_count) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return all_found(self);
}

/* Carry out captures of a stopped task as a stop would: Capturer.read. */
static PyObject *pump_read(PyObject *object, PyObject *args) {
    PumpObject *self = (PumpObject *)object;
    struct pump *pump = &self->pump;
    PyObject *plan;
    int tid, tgid;
    unsigned long long word[WORDS];
    long long ret;
    if (!PyArg_ParseTuple(args, "Oii(KKKKKK)L:read", &plan, &tid, &tgid, &word[0], &word[1],
                          &word[2], &word[3], &word[4], &word[5], &ret) ||
        !is_open(self))
        return NULL;
    struct captures captures = {0};
    struct buffer to = {0};
    struct task task = {.tid = tid};
    uint64_t words[WORDS];
    for (int at = 0; at < WORDS; at++) words[at] = word[at];
    PyObject *made = NULL;
    if (captures_read(plan, &captures)) {
        task.space = space_of(pump, tgid);
        if (task.space) {
            task.space->tasks++;
            pump->strings.address = 0;
            capture_all(pump, &task, &captures, words, WORDS, ret, &to);
            space_left(pump, task.space);
        }
        made = to.failed || !task.space ? PyErr_NoMemory() : captured_made(self, &to, captures.count);
    }
    captures_free(&captures);
    buffer_free(&to);
    return made;
}

/* --- the queue ------------------------------------------------------------------------------------------- */

static PyObject *pump_put(PyObject *object, PyObject *item) {
    PumpObject *self = (PumpObject *)object;
    struct record *record = queue_begin(&self->pump.queue, sizeof *record);
    if (!record) return PyErr_NoMemory();
    Py_INCREF(item);
    record->kind = RECORD_OBJECT;
    record->what.object = item;
    queue_end(&self->pump.queue, record, false);
    return none();
}

/* A bound; 0 counts as 1, else nobody could go on. */
static bool bound(PyObject *number, size_t most, size_t *to) {
    size_t wanted = most;
    if (number != Py_None) {
        wanted = PyLong_AsSize_t(number);
        if (PyErr_Occurred()) return false;
    }
    *to = wanted < 1 ? 1 : wanted > most ? most : wanted;
    return true;
}

static PyObject *pump_limit(PyObject *object, PyObject *args) {
    struct queue *queue = &((PumpObject *)object)->pump.queue;
    PyObject *calls, *size = Py_None;
    if (!PyArg_ParseTuple(args, "O|O:limit", &calls, &size)) return NULL;
    if (!bound(calls, SIZE_MAX, &queue->most_calls)) return NULL;
    if (!bound(size, queue->room_bytes, &queue->most_bytes)) return NULL;
    return none();
}

/* Take the first record; NULL without an exception: there is none. */
static PyObject *next_item(PumpObject *self) {
    struct queue *queue = &self->pump.queue;
    struct record *record = queue_peek(queue);
    if (!record) return NULL;
    if (record->kind == RECORD_OBJECT) {
        PyObject *item = record->what.object;
        queue_drop(queue, record, false);
        return item;
    }
    struct action *action = record->what.action;
    PyObject *item =
        record->kind == RECORD_PAIR ? pair_made(self, record) : enter_made(self, record);
    queue_drop(queue, record, true);
    action_release(&self->pump, action);
    return item;
}

static PyObject *pump_take(PyObject *object, PyObject *args) {
    PumpObject *self = (PumpObject *)object;
    int block = 1;
    if (!PyArg_ParseTuple(args, "|p:take", &block)) return NULL;
    if (self->taking) {
        PyErr_SetString(PyExc_RuntimeError, "another thread takes already");
        return NULL;
    }
    PyObject *list = PyList_New(0);
    if (!list) return NULL;
    self->taking = true;
    if (block && !queue_peek(&self->pump.queue)) {
        PyThreadState *saved = PyEval_SaveThread();
        queue_wait(&self->pump.queue);
        PyEval_RestoreThread(saved);
    }
    for (int count = 0; list && count < TAKEN_AT_ONCE; count++) {
        PyObject *item = next_item(self);
        if (!item) {
            if (PyErr_Occurred()) Py_CLEAR(list);
            break;
        }
        if (PyList_Append(list, item) < 0) Py_CLEAR(list);
        Py_DECREF(item);
    }
    self->taking = false;
    actions_bury(&self->pump);
    return list;
}

/* --- figures ---------------------------------------------------------------------------------------------- */

static PyObject *pump_histogram(PyObject *object, PyObject *unused) {
    (void)unused;
    PumpObject *self = (PumpObject *)object;
    PyObject *list = PyList_New(BUCKETS);
    for (int at = 0; list && at < BUCKETS; at++) {
        uint64_t count = atomic_load_explicit(&self->pump.histogram[at], memory_order_relaxed);
        PyObject *number = PyLong_FromUnsignedLongLong(count);
        if (!number) Py_CLEAR(list);
        else PyList_SetItem(list, at, number);
    }
    return list;
}

static PyObject *pump_placements(PyObject *object, PyObject *unused) {
    (void)unused;
    static const char *const NAMES[LEAVINGS] = {
        [LEFT_OTHER_TASK] = "other task", [LEFT_OTHER_STOP] = "other stop", [LEFT_SLOW] = "slow",
        [LEFT_NO_GAIN] = "no gain",       [LEFT_FAILED] = "failed",         [LEFT_CLOSED] = "closed",
        [LEFT_TO_MEASURE] = "to measure",
    };
    struct place *place = &((PumpObject *)object)->pump.place;
    PyObject *dict = PyDict_New();
    for (int at = -1; dict && at < LEAVINGS; at++) {
        uint64_t count = at < 0 ? atomic_load(&place->entered) : atomic_load(&place->left[at]);
        PyObject *number = PyLong_FromUnsignedLongLong(count);
        if (!number || PyDict_SetItemString(dict, at < 0 ? "entered" : NAMES[at], number) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(number);
    }
    return dict;
}

static PyObject *pump_looks(PyObject *object, PyObject *unused) {
    (void)unused;
    struct pump *pump = &((PumpObject *)object)->pump;
    return Py_BuildValue("{s:K,s:K}", "looked", (unsigned long long)atomic_load(&pump->looked),
                         "recalled", (unsigned long long)atomic_load(&pump->recalled));
}

static bool keep(PyObject *list, int number) {
    PyObject *made = PyLong_FromLong(number);
    bool done = made && PyList_Append(list, made) == 0;
    Py_XDECREF(made);
    return done;
}

static PyObject *pump_kept(PyObject *object, PyObject *unused) {
    (void)unused;
    enum { WATCHED, MANUAL, INSIDE, SPACES, MEMORY, LISTS };
    static const char *const NAMES[LISTS] = {"watched", "manual", "inside", "spaces", "memory"};
    struct pump *pump = &((PumpObject *)object)->pump;
    PyObject *dict = PyDict_New(), *lists[LISTS];
    bool done = dict != NULL;
    for (int at = 0; done && at < LISTS; at++) {
        lists[at] = PyList_New(0);
        done = lists[at] && PyDict_SetItemString(dict, NAMES[at], lists[at]) == 0;
        Py_XDECREF(lists[at]); /* the dict has it */
    }
    for (size_t at = 0; done && at < pump->tasks.room; at++) {
        const struct task *task = pump->tasks.slots[at].value;
        if (!task) continue;
        done = (!task->watched || keep(lists[WATCHED], task->tid)) &&
               (!task->manual || keep(lists[MANUAL], task->tid)) &&
               (!task->inside.action || keep(lists[INSIDE], task->tid));
    }
    for (size_t at = 0; done && at < pump->spaces.room; at++) {
        const struct space *space = pump->spaces.slots[at].value;
        if (!space) continue;
        done = keep(lists[SPACES], space->tgid) &&
               (space->fd < 0 || keep(lists[MEMORY], space->tgid));
    }
    if (!done) Py_CLEAR(dict);
    return dict;
}

static PyObject *get_stops(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(
        atomic_load_explicit(&((PumpObject *)object)->pump.stops, memory_order_relaxed));
}

static PyObject *get_reads(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(
        atomic_load_explicit(&((PumpObject *)object)->pump.reads, memory_order_relaxed));
}

/* --- its life ---------------------------------------------------------------------------------------------- */

static void release_all(PumpObject *self) {
    struct pump *pump = &self->pump;
    place_leave(&pump->place, LEFT_CLOSED, now_ns());
    for (size_t at = 0; at < pump->found_count; at++) found_free(self, &pump->found[at]);
    pump->found_count = 0;
    pump->batch_count = 0;
    tasks_free(pump);
    tables_free(pump);
    actions_bury(pump);
    free(pump->batch);
    free(pump->found);
    pump->batch = NULL;
    pump->found = NULL;
    pump->batch_room = pump->found_room = 0;
    buffer_free(&pump->scratch);
    buffer_free(&pump->again);
    buffer_free(&pump->back);
}

static PyObject *pump_close(PyObject *object, PyObject *unused) {
    (void)unused;
    PumpObject *self = (PumpObject *)object;
    if (self->open) {
        self->open = false;
        release_all(self);
        queue_close(&self->pump.queue);
    }
    return none();
}

static PyObject *pump_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"classes",   "will_run_again", "most_bytes",
                            "placement", "remembers",      NULL};
    PyObject *classes, *will_run_again;
    Py_ssize_t most_bytes;
    int placement, remembers;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOnpp:Pump", names, &classes,
                                     &will_run_again, &most_bytes, &placement, &remembers))
        return NULL;
    if (most_bytes <= 0) {
        PyErr_SetString(PyExc_ValueError, "most_bytes: not positive");
        return NULL;
    }
    PumpObject *self = (PumpObject *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (!self) return NULL;
    struct pump *pump = &self->pump;
    pump->self = self;
    pump->newest.newer = pump->newest.older = &pump->newest;
    place_init(&pump->place, placement != 0);
    pump->remembers = remembers != 0;
    int error = queue_init(&pump->queue, (size_t)most_bytes);
    if (error) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(self);
        return NULL;
    }
    self->open = true;
    Py_INCREF(will_run_again);
    self->will_run_again = will_run_again;
    if (!shapes_init(self, classes)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void pump_dealloc(PyObject *object) {
    PumpObject *self = (PumpObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    release_all(self);
    struct record *record;
    while (self->pump.queue.first && (record = queue_peek(&self->pump.queue))) {
        if (record->kind == RECORD_OBJECT) Py_DECREF((PyObject *)record->what.object);
        else action_release(&self->pump, record->what.action);
        queue_drop(&self->pump.queue, record, record->kind != RECORD_OBJECT);
    }
    actions_bury(&self->pump);
    if (self->pump.queue.first) queue_free(&self->pump.queue);
    Py_XDECREF(self->will_run_again);
    shapes_clear(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"watch", pump_watch, METH_VARARGS, NULL},
    {"forget", pump_forget, METH_VARARGS, NULL},
    {"new_image", pump_new_image, METH_VARARGS, NULL},
    {"ended_process", pump_ended_process, METH_VARARGS, NULL},
    {"trust_descriptors", pump_trust, METH_VARARGS, NULL},
    {"distrust_descriptors", pump_distrust, METH_VARARGS, NULL},
    {"set_manual", pump_set_manual, METH_VARARGS, NULL},
    {"is_manual", pump_is_manual, METH_VARARGS, NULL},
    {"resume", pump_resume_method, METH_VARARGS, NULL},
    {"skip", pump_skip, METH_VARARGS, NULL},
    {"handle", pump_handle, METH_VARARGS, NULL},
    {"entry", pump_entry, METH_VARARGS, NULL},
    {"wait", pump_wait_method, METH_NOARGS, NULL},
    {"read", pump_read, METH_VARARGS, NULL},
    {"put", pump_put, METH_O, NULL},
    {"limit", pump_limit, METH_VARARGS, NULL},
    {"take", pump_take, METH_VARARGS, NULL},
    {"histogram", pump_histogram, METH_NOARGS, NULL},
    {"placements", pump_placements, METH_NOARGS, NULL},
    {"looks", pump_looks, METH_NOARGS, NULL},
    {"kept", pump_kept, METH_NOARGS, NULL},
    {"close", pump_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"stops", get_stops, NULL, NULL, NULL},
    {"reads", get_reads, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, pump_new},
    {Py_tp_dealloc, pump_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "tracerd.core._pump.Pump",
    .basicsize = sizeof(PumpObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

static int module_exec(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    if (!type) return -1;
    int failed = PyModule_AddObjectRef(module, "Pump", type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_pump", .m_size = 0, .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__pump(void) { return PyModuleDef_Init(&module); }
