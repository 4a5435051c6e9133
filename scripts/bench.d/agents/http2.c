// HTTP/2 (RFC 9113) with one gRPC call: POST /der.v1.Headend/Session on stream 1.
#include "agent.h"

enum frame_type {
    DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, WINDOW_UPDATE = 8
};
enum { END_STREAM = 0x1, ACK = 0x1, END_HEADERS = 0x4, PADDED = 0x8 };
enum { INITIAL_WINDOW_SIZE = 4 };
enum { FRAME_HEADER = 9, GRPC_HEADER = 5, STREAM = 1 };

#define DEFAULT_WINDOW 65535
#define WIDEST_WINDOW 0x7fffffff

static void put_frame(struct buffer *out, size_t size, enum frame_type type, uint8_t flags,
                      uint32_t stream) {
    buffer_put_big_endian(out, size, 3);
    buffer_put_byte(out, type);
    buffer_put_byte(out, flags);
    buffer_put_big_endian(out, stream, 4);
}

// HPACK (RFC 7541 6.2.2): a literal that is not indexed, its name from the static table.
static void put_header(struct buffer *out, unsigned static_index, const char *value) {
    if (static_index < 15) {
        buffer_put_byte(out, (uint8_t)static_index);
    } else {
        buffer_put_byte(out, 15);
        buffer_put_byte(out, (uint8_t)(static_index - 15));
    }
    buffer_put_byte(out, (uint8_t)strlen(value));
    buffer_put(out, value, strlen(value));
}

static void put_request_headers(struct buffer *out) {
    buffer_put_byte(out, 0x80 | 3);  // :method POST
    buffer_put_byte(out, 0x80 | 6);  // :scheme http
    put_header(out, 4, "/der.v1.Headend/Session");
    put_header(out, 1, "127.0.0.1");          // :authority
    put_header(out, 31, "application/grpc");  // content-type
    buffer_put(out, "\0\2te\10trailers", 13);
}

static void http2_send(struct agent *a, const uint8_t *message, size_t size) {
    put_frame(&a->out, GRPC_HEADER + size, DATA, 0, STREAM);
    buffer_put_byte(&a->out, 0);  // not compressed
    buffer_put_big_endian(&a->out, size, 4);
    buffer_put(&a->out, message, size);
    a->connection_window -= (int64_t)(GRPC_HEADER + size);
    a->stream_window -= (int64_t)(GRPC_HEADER + size);
}

static bool http2_has_room(const struct agent *a, size_t size) {
    int64_t needed = (int64_t)(GRPC_HEADER + size);
    return a->connection_window >= needed && a->stream_window >= needed;
}

static void http2_open(struct agent *a) {
    a->connection_window = a->stream_window = a->initial_window = DEFAULT_WINDOW;
    buffer_put(&a->out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    // All that the server may ever send fits the widest windows: they are never updated.
    put_frame(&a->out, 6, SETTINGS, 0, 0);
    buffer_put_big_endian(&a->out, INITIAL_WINDOW_SIZE, 2);
    buffer_put_big_endian(&a->out, WIDEST_WINDOW, 4);
    put_frame(&a->out, 4, WINDOW_UPDATE, 0, 0);
    buffer_put_big_endian(&a->out, WIDEST_WINDOW - DEFAULT_WINDOW, 4);
    struct buffer headers = {0};
    put_request_headers(&headers);
    put_frame(&a->out, buffer_size(&headers), HEADERS, END_HEADERS, STREAM);
    buffer_put(&a->out, buffer_front(&headers), buffer_size(&headers));
    buffer_free(&headers);
    struct buffer message = {0};
    put_register(&message, &a->who, settings.boot_id, wall_us());
    http2_send(a, buffer_front(&message), buffer_size(&message));
    buffer_free(&message);
}

static void take_data(struct agent *a, const uint8_t *bytes, size_t size, uint8_t flags) {
    if (flags & PADDED) {
        if (size == 0 || bytes[0] >= size) return;
        size -= 1 + (size_t)bytes[0];
        bytes++;
    }
    buffer_put(&a->grpc, bytes, size);
    while (buffer_size(&a->grpc) >= GRPC_HEADER) {
        size_t length = big_endian(buffer_front(&a->grpc) + 1, 4);
        if (buffer_size(&a->grpc) < GRPC_HEADER + length) break;
        hear(a, buffer_front(&a->grpc) + GRPC_HEADER, length);
        buffer_drop(&a->grpc, GRPC_HEADER + length);
    }
    // Idle agents keep no buffer: thousands of them are to cost this process little.
    if (buffer_size(&a->grpc) == 0) buffer_free(&a->grpc);
}

static void take_settings(struct agent *a, const uint8_t *bytes, size_t size) {
    for (size_t at = 0; at + 6 <= size; at += 6) {
        if (big_endian(bytes + at, 2) != INITIAL_WINDOW_SIZE) continue;
        int64_t window = big_endian(bytes + at + 2, 4);
        a->stream_window += window - a->initial_window;
        a->initial_window = window;
    }
    put_frame(&a->out, 0, SETTINGS, ACK, 0);
}

static bool take_frame(struct agent *a, enum frame_type type, uint8_t flags, uint32_t stream,
                       const uint8_t *bytes, size_t size) {
    switch (type) {
    case DATA:
        take_data(a, bytes, size, flags);
        if (flags & END_STREAM) counters.resets++;
        return true;
    case HEADERS:
        if (flags & END_STREAM) counters.resets++;
        return true;
    case RST_STREAM:
    case GOAWAY:
        counters.resets++;
        return true;
    case SETTINGS:
        if (!(flags & ACK)) take_settings(a, bytes, size);
        return true;
    case PING:
        if (size != 8) return false;
        if (!(flags & ACK)) {
            put_frame(&a->out, 8, PING, ACK, 0);
            buffer_put(&a->out, bytes, 8);
        }
        return true;
    case WINDOW_UPDATE:
        if (size != 4) return false;
        *(stream == 0 ? &a->connection_window : &a->stream_window) +=
            big_endian(bytes, 4) & 0x7fffffff;
        return true;
    }
    return true;  // other kinds mean nothing to an agent
}

static bool http2_receive(struct agent *a) {
    while (buffer_size(&a->in) >= FRAME_HEADER) {
        const uint8_t *head = buffer_front(&a->in);
        size_t size = big_endian(head, 3);
        if (buffer_size(&a->in) < FRAME_HEADER + size) break;
        uint32_t stream = big_endian(head + 5, 4) & 0x7fffffff;
        if (!take_frame(a, head[3], head[4], stream, head + FRAME_HEADER, size)) return false;
        buffer_drop(&a->in, FRAME_HEADER + size);
    }
    return true;
}

const struct protocol http2 = {http2_open, http2_has_room, http2_send, http2_receive};
