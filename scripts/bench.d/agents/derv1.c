#include "derv1.h"

enum wire_type { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

// --- writing --------------------------------------------------------------------------

static void put_varint(struct buffer *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) buffer_put_byte(out, (uint8_t)(value | 0x80));
    buffer_put_byte(out, (uint8_t)value);
}

static void put_tag(struct buffer *out, unsigned field, enum wire_type type) {
    put_varint(out, field << 3 | type);
}

static void put_bytes(struct buffer *out, unsigned field, const void *bytes, size_t size) {
    put_tag(out, field, LENGTH);
    put_varint(out, size);
    buffer_put(out, bytes, size);
}

// Fixed-width numbers are little endian on the wire, as on every machine this runs on.
static void put_fixed64(struct buffer *out, unsigned field, const void *value) {
    put_tag(out, field, FIXED64);
    buffer_put(out, value, 8);
}

static void put_fixed32(struct buffer *out, unsigned field, uint32_t value) {
    put_tag(out, field, FIXED32);
    buffer_put(out, &value, 4);
}

static void put_body(struct buffer *out, unsigned field, struct buffer *body) {
    put_bytes(out, field, buffer_front(body), buffer_size(body));
    body->start = body->end = 0;
}

// The message's body grows here before its size is known.
static struct buffer body;

void put_register(struct buffer *out, const struct identity *who, uint64_t boot_id, int64_t now_us) {
    put_bytes(&body, 1, who->agent_id, strlen(who->agent_id));
    for (unsigned i = 0; i < who->assets; i++)
        put_bytes(&body, 3, who->asset_ids[i], strlen(who->asset_ids[i]));
    put_bytes(&body, 4, "bench", 5);
    put_fixed64(&body, 5, &boot_id);
    put_fixed64(&body, 6, &now_us);
    put_body(out, 1, &body);
}

static void put_column(unsigned field, unsigned rows, double least, double step) {
    put_tag(&body, field, LENGTH);
    put_varint(&body, rows * sizeof(double));
    for (unsigned row = 0; row < rows; row++) {
        double value = least + step * (row % 16);
        buffer_put(&body, &value, sizeof value);
    }
}

void put_telemetry(struct buffer *out, uint64_t boot_id, uint64_t first_seq, unsigned rows,
                   unsigned assets, int64_t now_us) {
    put_fixed64(&body, 1, &boot_id);
    put_tag(&body, 2, VARINT);
    put_varint(&body, first_seq);
    put_tag(&body, 3, LENGTH);  // asset_index
    put_varint(&body, rows * sizeof(uint32_t));
    for (unsigned row = 0; row < rows; row++) {
        uint32_t index = (uint32_t)((first_seq + row) % assets);
        buffer_put(&body, &index, sizeof index);
    }
    put_tag(&body, 4, LENGTH);  // ts_us
    put_varint(&body, rows * sizeof(int64_t));
    for (unsigned row = 0; row < rows; row++) {
        int64_t ts_us = now_us - (rows - 1 - row);
        buffer_put(&body, &ts_us, sizeof ts_us);
    }
    put_column(5, rows, -0.8, 0.1);    // p_mw
    put_column(6, rows, 0.05, 0.01);   // q_mvar
    put_column(7, rows, 0.4, 0.01);    // soc
    put_column(8, rows, 229.0, 0.1);   // voltage_v
    put_column(9, rows, 49.99, 0.001); // frequency_hz
    put_tag(&body, 10, LENGTH);        // status
    put_varint(&body, rows * sizeof(uint32_t));
    for (unsigned row = 0; row < rows; row++) {
        uint32_t running = 4;
        buffer_put(&body, &running, sizeof running);
    }
    put_body(out, 2, &body);
}

void put_report(struct buffer *out, const struct setpoint *of, enum report_state state,
                unsigned revision, const struct setpoint *by, int64_t now_us) {
    put_bytes(&body, 1, of->dispatch_id, of->dispatch_id_size);
    put_fixed32(&body, 2, of->asset_index);
    put_tag(&body, 3, VARINT);
    put_varint(&body, state);
    if (state != REPORT_RECEIVED) put_fixed64(&body, 5, &of->mw);
    put_fixed64(&body, 6, &now_us);
    if (by != NULL) put_bytes(&body, 8, by->dispatch_id, by->dispatch_id_size);
    put_tag(&body, 11, VARINT);
    put_varint(&body, revision);
    put_body(out, 4, &body);
}

// --- reading --------------------------------------------------------------------------

struct cursor {
    const uint8_t *at, *end;
    bool broken;
};

struct field {
    unsigned number;
    uint64_t value;        // of varints and fixed width
    const uint8_t *bytes;  // of what has a length
    size_t size;
};

static uint64_t take_varint(struct cursor *c) {
    uint64_t value = 0;
    for (unsigned shift = 0; c->at < c->end && shift < 64; shift += 7) {
        uint8_t byte = *c->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    c->broken = true;
    return 0;
}

static bool next_field(struct cursor *c, struct field *f) {
    if (c->broken || c->at == c->end) return false;
    uint64_t tag = take_varint(c);
    *f = (struct field){.number = (unsigned)(tag >> 3)};
    size_t size = 0;
    switch (tag & 7) {
    case VARINT: f->value = take_varint(c); break;
    case FIXED64: size = 8; break;
    case FIXED32: size = 4; break;
    case LENGTH: size = f->size = take_varint(c); break;
    default: c->broken = true;
    }
    if (c->broken || size > (size_t)(c->end - c->at)) {
        c->broken = true;
        return false;
    }
    f->bytes = c->at;
    if ((tag & 7) == FIXED64 || (tag & 7) == FIXED32) memcpy(&f->value, c->at, size);
    c->at += size;
    return true;
}

static struct cursor inside(const struct field *f) {
    return (struct cursor){.at = f->bytes, .end = f->bytes + f->size};
}

static void read_welcome(struct cursor c, struct heard *heard) {
    for (struct field f; next_field(&c, &f);) {
        if (f.number != 8) continue;  // assets
        bool granted = false;
        struct cursor grant = inside(&f);
        for (struct field g; next_field(&grant, &g);)
            if (g.number == 2) granted = g.value == 1;
        if (!granted) heard->refused_assets++;
    }
}

static uint64_t read_range(struct cursor c) {
    uint64_t first = 0, last = 0;
    for (struct field f; next_field(&c, &f);) {
        if (f.number == 1) first = f.value;
        if (f.number == 2) last = f.value;
    }
    return last - first + 1;
}

static void read_ack(struct cursor c, struct heard *heard) {
    for (struct field f; next_field(&c, &f);) {
        if (f.number == 2) heard->durable_rows += read_range(inside(&f));
        if (f.number != 3) continue;  // refused
        struct cursor refused = inside(&f);
        for (struct field g; next_field(&refused, &g);)
            if (g.number == 1) heard->refused_rows += read_range(inside(&g));
    }
}

static void read_setpoint(struct cursor c, struct heard *heard) {
    struct setpoint *setpoint = &heard->setpoint;
    for (struct field f; next_field(&c, &f);) {
        if (f.number == 1) {
            setpoint->dispatch_id = f.bytes;
            setpoint->dispatch_id_size = f.size;
        }
        if (f.number == 2) setpoint->asset_index = (uint32_t)f.value;
        if (f.number == 3) memcpy(&setpoint->mw, &f.value, sizeof setpoint->mw);
    }
}

struct heard read_headend_message(const uint8_t *bytes, size_t size) {
    struct heard heard = {.kind = HEARD_OTHER};
    struct cursor c = {.at = bytes, .end = bytes + size};
    for (struct field f; next_field(&c, &f);) {
        switch (f.number) {
        case 1: heard.kind = HEARD_WELCOME; read_welcome(inside(&f), &heard); break;
        case 3: heard.kind = HEARD_SETPOINT; read_setpoint(inside(&f), &heard); break;
        case 5: heard.kind = HEARD_ACK; read_ack(inside(&f), &heard); break;
        case 6: heard.kind = HEARD_GOODBYE; break;
        }
    }
    if (c.broken) heard.kind = HEARD_BROKEN;
    return heard;
}
