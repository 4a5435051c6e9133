// One simulated agent on one TCP connection, and what a protocol must do for it.
#ifndef AGENT_H
#define AGENT_H

#include <netinet/in.h>
#include <sys/types.h>

#include "buffer.h"
#include "derv1.h"

// Bytes put together before a write; as many may wait in the kernel.
#define WRITE_BYTES 65536

// Everything that is counted, over all agents.
struct counters {
    uint64_t connecting;      // now, neither welcomed nor failed
    uint64_t welcomed;
    uint64_t failed;          // connections that ended before they were welcomed
    uint64_t messages;        // Telemetry messages put on their way
    uint64_t rows;            // rows in them
    uint64_t acked_rows;      // durable, as the server says
    uint64_t refused_rows;
    uint64_t refused_assets;
    uint64_t setpoints;       // each answered with received and started
    uint64_t unanswered;      // setpoints for whose answer there was no room
    uint64_t goodbyes;
    uint64_t resets;          // RST_STREAM, GOAWAY, a stream ended, a refused CONNECT
    uint64_t closed;          // connections that the server ended later
    uint64_t skipped;         // paced messages that no agent could take in time
};

// The dispatch that an asset's device follows.
struct held {
    uint8_t id[36];           // all 0 before the first
    double mw;
};

struct agent {
    struct identity who;
    int fd;
    struct ssl_st *tls;       // OpenSSL's; NULL = plain
    bool connecting, shaking, welcomed, dead, armed_write;
    struct buffer in, out;
    uint64_t next_seq;
    struct held *held;        // of each asset, once `superseding`
    // HTTP/2
    struct buffer grpc;       // DATA's bytes until a message is whole
    int64_t connection_window, stream_window, initial_window;
    // MQTT
    unsigned in_flight;
    uint16_t packet_id;
};

// A protocol puts bytes into `out`, and takes whole frames from `in`.
struct protocol {
    void (*open)(struct agent *);
    // Whether flow control has room for a message of this size now.
    bool (*has_room)(const struct agent *, size_t size);
    void (*send)(struct agent *, const uint8_t *message, size_t size);
    // False if the server broke the protocol.
    bool (*receive)(struct agent *);
};

extern const struct protocol http2, mqtt;

// What all agents have in common.
struct settings {
    const struct protocol *protocol;
    struct sockaddr_in server;
    struct ssl_ctx_st *tls;   // of all connections; NULL = plain
    const char *tls_folder;   // ca.pem, and each agent's id with .pem and .key
    int poller;               // epoll; each agent's events carry the agent
    uint64_t boot_id;
    unsigned rows_a_message;
    bool saturating;          // agents send whenever they can
    bool superseding;         // a new setpoint ends its asset's last one, which is reported
};

extern struct counters counters;
extern struct settings settings;

int64_t wall_us(void);
void fail(const char *what);

void start_connecting(struct agent *);
// What epoll says of its socket.
void handle(struct agent *, uint32_t events);
// One Telemetry message, if there is room for it.
bool put_message(struct agent *);
// Writes what waits. Whether all of it went out.
bool flush(struct agent *);
// One agent's turn at saturation: a buffer full, then the next.
void saturate(struct agent *);

// wire.c: all connections over TLS; one of them, from its socket to its end.
enum handshake { HANDSHAKE_DONE, HANDSHAKE_READS, HANDSHAKE_WRITES, HANDSHAKE_FAILED };

void wire_secure(const char *folder);
void wire_open(struct agent *);
enum handshake wire_shake(struct agent *);
// As send and recv.
ssize_t wire_send(struct agent *, const void *bytes, size_t size);
ssize_t wire_receive(struct agent *, void *bytes, size_t size);
void wire_free(struct agent *);

// For protocols: the server let the agent in; the server said a HeadendMessage.
void welcome(struct agent *);
void hear(struct agent *, const uint8_t *message, size_t size);

#endif
