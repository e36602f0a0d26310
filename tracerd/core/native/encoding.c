/* Captured values as bytes: see pump.h. */
#include "pump.h"

#include <string.h>

void put_u8(struct buffer *to, unsigned value) {
    unsigned char byte = (unsigned char)value;
    buffer_add(to, &byte, 1);
}

void put_tag(struct buffer *to, enum tag tag) { put_u8(to, tag); }

void put_u32(struct buffer *to, uint32_t value) { buffer_add(to, &value, sizeof value); }

void put_u64(struct buffer *to, uint64_t value) { buffer_add(to, &value, sizeof value); }

void put_bytes(struct buffer *to, const void *data, size_t size) {
    put_u32(to, (uint32_t)size);
    buffer_add(to, data, size);
}

static bool get(struct cursor *from, void *value, size_t size) {
    if ((size_t)(from->end - from->at) < size) {
        from->at = from->end;
        memset(value, 0, size);
        return false;
    }
    memcpy(value, from->at, size);
    from->at += size;
    return true;
}

uint64_t get_u64(struct cursor *from) {
    uint64_t value;
    get(from, &value, sizeof value);
    return value;
}

uint32_t get_u32(struct cursor *from) {
    uint32_t value;
    get(from, &value, sizeof value);
    return value;
}

unsigned get_u8(struct cursor *from) {
    unsigned char value;
    get(from, &value, sizeof value);
    return value;
}

const unsigned char *get_bytes(struct cursor *from, size_t *length) {
    size_t size = get_u32(from), left = (size_t)(from->end - from->at);
    const unsigned char *at = from->at;
    *length = size < left ? size : left;
    from->at += *length;
    return at;
}

static void skip_fixed(struct cursor *from, size_t size) {
    size_t left = (size_t)(from->end - from->at);
    from->at += size < left ? size : left;
}

static void skip_values(struct cursor *from) { /* u32 count, each */
    for (uint32_t count = get_u32(from); count && from->at < from->end; count--) skip_value(from);
}

void skip_value(struct cursor *from) {
    size_t length;
    switch ((enum tag)get_u8(from)) {
    case TAG_NONE:
    case TAG_FALSE:
    case TAG_TRUE:
        break;
    case TAG_FAULT:
        skip_fixed(from, 8);
        break;
    case TAG_CUT_OF:
        skip_fixed(from, 16);
        get_bytes(from, &length);
        break;
    case TAG_BYTES:
    case TAG_CUT:
        get_bytes(from, &length);
        break;
    case TAG_OPENED:
        skip_fixed(from, 8 + 8 + 1 + 4 + 8);
        get_bytes(from, &length);
        get_bytes(from, &length);
        break;
    case TAG_STRINGS:
        skip_fixed(from, 1);
        for (uint32_t count = get_u32(from); count && from->at < from->end; count--)
            get_bytes(from, &length);
        break;
    case TAG_VECTOR:
        skip_fixed(from, (size_t)get_u32(from) * 8);
        skip_value(from);
        break;
    case TAG_MESSAGE:
        skip_fixed(from, 8 + 8 + 4 + 1 + 4);
        get_bytes(from, &length);
        get_bytes(from, &length);
        skip_values(from);
        skip_value(from);
        break;
    case TAG_SEVERAL:
        for (uint32_t count = get_u32(from); count && from->at < from->end; count--)
            skip_value(from);
        break;
    case TAG_PART:
        skip_fixed(from, 8);
        skip_fixed(from, (size_t)get_u32(from) * 8);
        skip_values(from);
        break;
    }
}

struct cursor value_at(const unsigned char *data, size_t size, size_t index) {
    struct cursor from = {data, data + size};
    if (!data) return (struct cursor){0};
    while (index-- > 0) skip_value(&from);
    return from;
}
