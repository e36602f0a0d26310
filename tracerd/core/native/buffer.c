/* Growing byte buffers, and a map from small ints. */
#include "pump.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT = 16384, FEWEST = 256 };

unsigned char *buffer_reserve(struct buffer *buffer, size_t size) {
    if (buffer->failed) return NULL;
    if (buffer->room - buffer->used < size) {
        size_t room = buffer->room ? buffer->room : FEWEST;
        while (room - buffer->used < size && room < SIZE_MAX / 2) room *= 2;
        unsigned char *data = room - buffer->used < size ? NULL : realloc(buffer->data, room);
        if (!data) {
            buffer->failed = true;
            return NULL;
        }
        buffer->data = data;
        buffer->room = room;
    }
    return buffer->data + buffer->used;
}

void buffer_add(struct buffer *buffer, const void *data, size_t size) {
    if (size == 0) return;
    unsigned char *at = buffer_reserve(buffer, size);
    if (!at) return;
    memcpy(at, data, size);
    buffer->used += size;
}

void buffer_clear(struct buffer *buffer) {
    if (buffer->room > KEPT) buffer_free(buffer);
    buffer->used = 0;
    buffer->failed = false;
}

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}

static size_t place_of(const struct map *map, int key) {
    size_t mask = map->room - 1, at = ((uint32_t)key * 2654435761u) & mask;
    while (map->slots[at].key && map->slots[at].key != key) at = (at + 1) & mask;
    return at;
}

void *map_get(const struct map *map, int key) {
    return map->room ? map->slots[place_of(map, key)].value : NULL;
}

static bool grow(struct map *map) {
    struct map bigger = {.room = map->room ? map->room * 2 : 64};
    bigger.slots = calloc(bigger.room, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    for (size_t at = 0; at < map->room; at++)
        if (map->slots[at].key) bigger.slots[place_of(&bigger, map->slots[at].key)] = map->slots[at];
    bigger.used = map->used;
    free(map->slots);
    *map = bigger;
    return true;
}

bool map_set(struct map *map, int key, void *value) {
    if (key <= 0) return false;
    if (map->used * 2 >= map->room && !grow(map)) return false;
    struct map_slot *slot = &map->slots[place_of(map, key)];
    if (!slot->key) map->used++;
    *slot = (struct map_slot){key, value};
    return true;
}

void map_remove(struct map *map, int key) {
    if (!map->room) return;
    size_t mask = map->room - 1, hole = place_of(map, key);
    if (!map->slots[hole].key) return;
    map->used--;
    /* Those that stand behind it because it was in their way move up. */
    for (size_t at = (hole + 1) & mask; map->slots[at].key; at = (at + 1) & mask) {
        size_t home = ((uint32_t)map->slots[at].key * 2654435761u) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = (struct map_slot){0};
}

void map_free(struct map *map) {
    free(map->slots);
    *map = (struct map){0};
}
