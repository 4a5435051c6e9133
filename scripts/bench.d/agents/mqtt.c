// MQTT 3.1.1: the same messages, published with QoS 1 to a topic of the agent's own and
// retained there, so that the broker, like a headend, keeps what each agent said last.
#include "agent.h"

enum packet_type { CONNECT = 0x10, CONNACK = 0x20, PUBLISH_QOS1_RETAIN = 0x33, PUBACK = 0x40 };
enum { CLEAN_SESSION = 0x02, KEEP_ALIVE_S = 600 };

// Messages that wait for their PUBACK: what clients commonly allow themselves.
#define IN_FLIGHT 20

static void put_remaining_length(struct buffer *out, size_t length) {
    for (; length >= 0x80; length >>= 7) buffer_put_byte(out, (uint8_t)(length | 0x80));
    buffer_put_byte(out, (uint8_t)length);
}

static void put_text(struct buffer *out, const char *text) {
    buffer_put_big_endian(out, strlen(text), 2);
    buffer_put(out, text, strlen(text));
}

static void mqtt_open(struct agent *a) {
    const char *id = a->who.agent_id;
    buffer_put_byte(&a->out, CONNECT);
    put_remaining_length(&a->out, 10 + 2 + strlen(id));
    put_text(&a->out, "MQTT");
    buffer_put_byte(&a->out, 4);  // version 3.1.1
    buffer_put_byte(&a->out, CLEAN_SESSION);
    buffer_put_big_endian(&a->out, KEEP_ALIVE_S, 2);
    put_text(&a->out, id);
}

static bool mqtt_has_room(const struct agent *a, size_t size) {
    (void)size;
    return a->in_flight < IN_FLIGHT;
}

static void mqtt_send(struct agent *a, const uint8_t *message, size_t size) {
    const char *id = a->who.agent_id;
    buffer_put_byte(&a->out, PUBLISH_QOS1_RETAIN);
    put_remaining_length(&a->out, 2 + 6 + strlen(id) + 2 + size);
    buffer_put_big_endian(&a->out, 6 + strlen(id), 2);
    buffer_put(&a->out, "derv1/", 6);
    buffer_put(&a->out, id, strlen(id));
    if (++a->packet_id == 0) a->packet_id = 1;
    buffer_put_big_endian(&a->out, a->packet_id, 2);
    buffer_put(&a->out, message, size);
    a->in_flight++;
}

static bool mqtt_receive(struct agent *a) {
    while (buffer_size(&a->in) >= 2) {
        const uint8_t *packet = buffer_front(&a->in);
        size_t size = packet[1];  // the kinds that an agent is sent are all short
        if (size >= 0x80) return false;
        if (buffer_size(&a->in) < 2 + size) break;
        if (packet[0] == CONNACK && size == 2) {
            if (packet[3] == 0)
                welcome(a);
            else
                counters.resets++;
        } else if (packet[0] == PUBACK) {
            a->in_flight--;
            counters.acked_rows += settings.rows_a_message;
        }
        buffer_drop(&a->in, 2 + size);
    }
    return true;
}

const struct protocol mqtt = {mqtt_open, mqtt_has_room, mqtt_send, mqtt_receive};
