// A growing queue of bytes: put at the end, drop from the front.
#ifndef BUFFER_H
#define BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct buffer {
    uint8_t *bytes;
    size_t start, end, capacity;
};

static inline size_t buffer_size(const struct buffer *b) { return b->end - b->start; }

static inline uint8_t *buffer_front(const struct buffer *b) { return b->bytes + b->start; }

// Room for `more` bytes at the end; the caller writes them and adds to `end`.
static inline uint8_t *buffer_reserve(struct buffer *b, size_t more) {
    if (b->start == b->end) b->start = b->end = 0;
    if (b->end + more > b->capacity && b->start > 0) {
        memmove(b->bytes, b->bytes + b->start, buffer_size(b));
        b->end -= b->start;
        b->start = 0;
    }
    if (b->end + more > b->capacity) {
        b->capacity = 2 * (b->end + more);
        b->bytes = realloc(b->bytes, b->capacity);
        if (b->bytes == NULL) {
            fputs("agents: out of memory\n", stderr);
            exit(1);
        }
    }
    return b->bytes + b->end;
}

static inline void buffer_put(struct buffer *b, const void *bytes, size_t size) {
    memcpy(buffer_reserve(b, size), bytes, size);
    b->end += size;
}

static inline void buffer_put_byte(struct buffer *b, uint8_t byte) { buffer_put(b, &byte, 1); }

// The `size` low bytes of `value`, most significant first.
static inline void buffer_put_big_endian(struct buffer *b, uint64_t value, unsigned size) {
    while (size-- > 0) buffer_put_byte(b, (uint8_t)(value >> (8 * size)));
}

static inline uint32_t big_endian(const uint8_t *bytes, unsigned size) {
    uint32_t value = 0;
    while (size-- > 0) value = value << 8 | *bytes++;
    return value;
}

static inline void buffer_drop(struct buffer *b, size_t size) { b->start += size; }

static inline void buffer_free(struct buffer *b) {
    free(b->bytes);
    *b = (struct buffer){0};
}

#endif
