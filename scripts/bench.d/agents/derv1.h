// The messages of der.v1 (proto/der/v1/headend.proto), as far as an agent that makes load
// writes and reads them.
#ifndef DERV1_H
#define DERV1_H

#include "buffer.h"

// Who an agent is: one line of the fleet file.
struct identity {
    char *agent_id;
    char **asset_ids;
    unsigned assets;
};

enum report_state { REPORT_RECEIVED = 1, REPORT_STARTED = 2, REPORT_SUPERSEDED = 7 };

struct setpoint {
    const uint8_t *dispatch_id;
    size_t dispatch_id_size;
    uint32_t asset_index;
    double mw;
};

enum heard_kind { HEARD_OTHER, HEARD_WELCOME, HEARD_SETPOINT, HEARD_ACK, HEARD_GOODBYE, HEARD_BROKEN };

// What a HeadendMessage says.
struct heard {
    enum heard_kind kind;
    unsigned refused_assets;   // of a Welcome
    uint64_t durable_rows;     // of a TelemetryAck
    uint64_t refused_rows;
    struct setpoint setpoint;  // points into the message
};

// Each puts one whole AgentMessage at the end of `out`.
void put_register(struct buffer *out, const struct identity *who, uint64_t boot_id, int64_t now_us);
void put_telemetry(struct buffer *out, uint64_t boot_id, uint64_t first_seq, unsigned rows,
                   unsigned assets, int64_t now_us);
// `revision` counts a dispatch's reports; `by` is to whom it gave way, or NULL.
void put_report(struct buffer *out, const struct setpoint *of, enum report_state state,
                unsigned revision, const struct setpoint *by, int64_t now_us);

struct heard read_headend_message(const uint8_t *bytes, size_t size);

#endif
