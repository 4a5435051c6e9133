// One agent: connects, registers, sends what it is told to, answers what it is asked.
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define READ_BYTES 4096

// Room that telemetry leaves in the windows, so that reports always pass.
#define KEPT_FOR_REPORTS 1024

// HTTP/2's least maximum: a message is sent as one frame.
#define MAX_MESSAGE 16000

struct counters counters;
struct settings settings = {.protocol = &http2, .rows_a_message = 1};

int64_t wall_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

void fail(const char *what) {
    fprintf(stderr, "agents: %s\n", what);
    exit(1);
}

static void arm(struct agent *a, bool write) {
    if (a->armed_write == write) return;
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = a};
    epoll_ctl(settings.poller, EPOLL_CTL_MOD, a->fd, &event);
    a->armed_write = write;
}

static void lose(struct agent *a) {
    if (a->welcomed) {
        counters.closed++;
    } else {
        counters.failed++;
        counters.connecting--;
    }
    a->dead = true;
    wire_free(a);
    close(a->fd);
    buffer_free(&a->in);
    buffer_free(&a->out);
    buffer_free(&a->grpc);
}

// Writes what waits. Whether all of it went out.
bool flush(struct agent *a) {
    while (buffer_size(&a->out) > 0) {
        ssize_t n = wire_send(a, buffer_front(&a->out), buffer_size(&a->out));
        if (n < 0) {
            if (errno == EAGAIN)
                arm(a, true);
            else
                lose(a);
            return false;
        }
        buffer_drop(&a->out, (size_t)n);
    }
    if (!settings.saturating) arm(a, false);
    return true;
}

// One Telemetry message, if there is room for it.
bool put_message(struct agent *a) {
    static struct buffer message;
    message.start = message.end = 0;
    put_telemetry(&message, settings.boot_id, a->next_seq, settings.rows_a_message, a->who.assets,
                  wall_us());
    size_t size = buffer_size(&message);
    if (size > MAX_MESSAGE) fail("too many rows for one frame");
    if (!settings.protocol->has_room(a, size + KEPT_FOR_REPORTS)) return false;
    settings.protocol->send(a, buffer_front(&message), size);
    a->next_seq += settings.rows_a_message;
    counters.messages++;
    counters.rows += settings.rows_a_message;
    return true;
}

// One agent's turn at saturation: a buffer full, then the next.
void saturate(struct agent *a) {
    bool room = true;
    while (buffer_size(&a->out) < WRITE_BYTES && (room = put_message(a))) {}
    // An agent without room is woken by what the server says.
    if (flush(a)) arm(a, room);
}

void welcome(struct agent *a) {
    if (a->welcomed) return;
    a->welcomed = true;
    counters.welcomed++;
    counters.connecting--;
}

static void report(struct agent *a, const struct setpoint *of, enum report_state state,
                   unsigned revision, const struct setpoint *by) {
    static struct buffer message;
    message.start = message.end = 0;
    put_report(&message, of, state, revision, by, wall_us());
    if (settings.protocol->has_room(a, buffer_size(&message)))
        settings.protocol->send(a, buffer_front(&message), buffer_size(&message));
    else
        counters.unanswered++;
}

// What the asset followed until now gives way.
static void supersede(struct agent *a, const struct setpoint *by) {
    if (by->asset_index >= a->who.assets || by->dispatch_id_size != sizeof a->held->id) return;
    if (a->held == NULL) a->held = calloc(a->who.assets, sizeof *a->held);
    struct held *held = &a->held[by->asset_index];
    if (held->id[0] != 0) {
        struct setpoint last = {.dispatch_id = held->id,
                                .dispatch_id_size = sizeof held->id,
                                .asset_index = by->asset_index,
                                .mw = held->mw};
        report(a, &last, REPORT_SUPERSEDED, 3, by);
    }
    memcpy(held->id, by->dispatch_id, sizeof held->id);
    held->mw = by->mw;
}

static void answer(struct agent *a, const struct setpoint *setpoint) {
    if (settings.superseding) supersede(a, setpoint);
    report(a, setpoint, REPORT_RECEIVED, 1, NULL);
    report(a, setpoint, REPORT_STARTED, 2, NULL);
}

void hear(struct agent *a, const uint8_t *message, size_t size) {
    struct heard heard = read_headend_message(message, size);
    switch (heard.kind) {
    case HEARD_WELCOME:
        counters.refused_assets += heard.refused_assets;
        welcome(a);
        break;
    case HEARD_SETPOINT:
        counters.setpoints++;
        answer(a, &heard.setpoint);
        break;
    case HEARD_ACK:
        counters.acked_rows += heard.durable_rows;
        counters.refused_rows += heard.refused_rows;
        break;
    case HEARD_GOODBYE: counters.goodbyes++; break;
    case HEARD_BROKEN: fail("the server sent a message that is none"); break;
    case HEARD_OTHER: break;
    }
}

static void receive(struct agent *a) {
    for (;;) {
        uint8_t *at = buffer_reserve(&a->in, READ_BYTES);
        ssize_t n = wire_receive(a, at, READ_BYTES);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) {
            lose(a);
            return;
        }
        a->in.end += (size_t)n;
        if (!settings.protocol->receive(a)) fail("the server broke the protocol");
        // TLS gives a record at a time, and may keep the next.
        if (n < READ_BYTES && a->tls == NULL) break;
    }
    if (buffer_size(&a->in) == 0) buffer_free(&a->in);
    if (settings.saturating && a->welcomed)
        saturate(a);
    else
        flush(a);
}

void start_connecting(struct agent *a) {
    int yes = 1, send_bytes = WRITE_BYTES;
    a->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->fd < 0) fail("no more sockets: raise the limit of open files");
    setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(a->fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes);
    a->connecting = a->armed_write = true;
    a->next_seq = 1;
    counters.connecting++;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = a};
    const struct sockaddr *to = (const struct sockaddr *)&settings.server;
    if (connect(a->fd, to, sizeof settings.server) < 0 && errno != EINPROGRESS) {
        lose(a);
        return;
    }
    epoll_ctl(settings.poller, EPOLL_CTL_ADD, a->fd, &event);
}

static void speak(struct agent *a) {
    settings.protocol->open(a);
    flush(a);
}

static void go_on_shaking(struct agent *a) {
    switch (wire_shake(a)) {
    case HANDSHAKE_DONE: speak(a); break;
    case HANDSHAKE_READS: arm(a, false); break;
    case HANDSHAKE_WRITES: arm(a, true); break;
    case HANDSHAKE_FAILED: lose(a); break;
    }
}

static void finish_connecting(struct agent *a) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        lose(a);
        return;
    }
    a->connecting = false;
    wire_open(a);
    if (a->shaking)
        go_on_shaking(a);
    else
        speak(a);
}

void handle(struct agent *a, uint32_t events) {
    if (a->connecting) {
        finish_connecting(a);
        return;
    }
    if (a->shaking) {
        go_on_shaking(a);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(a);
    if (a->dead || !(events & EPOLLOUT)) return;
    if (settings.saturating && a->welcomed)
        saturate(a);
    else
        flush(a);
}
