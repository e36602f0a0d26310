/* Whether a call that returned can matter: does a path that it names begin with one of the
 * prefixes that anybody asked for?  Whatever is not plain to see may matter. */
#include "pump.h"

#include <string.h>

struct text {
    const unsigned char *at;
    size_t length;
};

static bool bytes_value(const struct buffer *captured, int index, struct text *text) {
    struct cursor from = value_at(captured->data, captured->used, (size_t)index);
    if (from.at == from.end || get_u8(&from) != TAG_BYTES) return false;
    text->at = get_bytes(&from, &text->length);
    return true;
}

/* Neither "//" nor a component "." or "..". */
static bool is_plain(struct text text) {
    size_t start = 0;
    for (size_t at = 0; at <= text.length; at++) {
        if (at < text.length && text.at[at] != '/') continue;
        size_t length = at - start;
        const unsigned char *name = text.at + start;
        if (length == 1 && name[0] == '.') return false;
        if (length == 2 && name[0] == '.' && name[1] == '.') return false;
        if (length == 0 && start > 0 && at < text.length) return false; /* "//" */
        start = at + 1;
    }
    return true;
}

/* Whether head, a slash (if there is a head) and tail together begin with a prefix. */
static bool begins(struct text head, struct text tail, const struct prefix *prefix) {
    struct text left = {prefix->text, prefix->length};
    struct text parts[3] = {head, {(const unsigned char *)"/", head.at ? 1 : 0}, tail};
    for (int at = 0; at < 3 && left.length; at++) {
        size_t length = parts[at].length < left.length ? parts[at].length : left.length;
        if (length && memcmp(parts[at].at, left.at, length) != 0) return false;
        left.at += length;
        left.length -= length;
    }
    return left.length == 0;
}

static bool begins_any(const struct action *action, struct text head, struct text tail) {
    for (size_t at = 0; at < action->prefix_count; at++)
        if (begins(head, tail, &action->prefixes[at])) return true;
    return false;
}

static bool path_matters(const struct action *action, const struct buffer *entry, size_t which,
                         bool failed) {
    struct text head = {0}, tail;
    if (!bytes_value(entry, action->paths[which], &tail)) return true;
    if (tail.length == 0 && failed) return true; /* else it is the descriptor itself that is meant */
    if (tail.length == 0 || tail.at[0] != '/') {
        if (action->bases[which] < 0) return true;
        if (!bytes_value(entry, action->bases[which], &head)) return true;
        if (head.length == 0 || head.at[0] != '/' || !is_plain(head)) return true;
        if (head.length == 1) head.length = 0; /* the root: the slash is ours */
    } else if (action->bases[which] >= 0) {
        struct cursor base = value_at(entry->data, entry->used, (size_t)action->bases[which]);
        if (base.at != base.end && get_u8(&base) != TAG_NONE)
            return true; /* a link of /proc leads elsewhere than it says */
    }
    if (!is_plain(tail)) return true;
    return begins_any(action, head, tail);
}

bool call_matters(const struct action *action, const struct buffer *entry,
                  const struct buffer *back, bool failed) {
    if (!action->filtered || action->noted || action->tell_enter) return true;
    if (entry->failed || back->failed) return true;
    for (size_t at = 0; at < action->path_count; at++)
        if (path_matters(action, entry, at, failed)) return true;
    if (action->opened >= 0 && !failed) {
        struct cursor from = value_at(back->data, back->used, (size_t)action->opened);
        if (from.at == from.end || get_u8(&from) != TAG_OPENED) return true;
        get_u64(&from);
        get_u64(&from);
        get_u8(&from);
        get_u32(&from);
        get_u64(&from);
        struct text link;
        link.at = get_bytes(&from, &link.length);
        if (begins_any(action, (struct text){0}, link)) return true;
    }
    return false;
}
