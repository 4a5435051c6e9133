// Load for a headend, at almost no cost of its own: N agents, each one session on a TCP
// connection, from one thread.
//
//   agents --port P --fleet FILE [--mqtt] [--superseding] [--opening N] [--connect-timeout S]
//          [--tls DIR]
//
// FILE has a line an agent: its id, then the UUIDs of its assets. All agents connect and
// register, at most `--opening` of them at a time. With `--tls` DIR has ca.pem, and for each agent
// its id with .pem and .key. Then it takes commands from standard
// input; the end of input ends it.
//
//   go RATE ROWS WARMUP SECONDS   sends Telemetry of ROWS rows: RATE messages a second over
//                                 all agents in turn, or with RATE 0 as many as flow control
//                                 takes; counts after WARMUP seconds, for SECONDS
//   close                         closes all connections at once, and ends
//
// It answers in JSON, a line each: "ready", "begin" and "end" around what is counted,
// "closed". Setpoints are answered with received and started, PINGs as they come. With
// `--superseding` a setpoint also ends the one before it of its asset, and a third report says so.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define EVENTS_A_TURN 256

// Paced messages that may be owed, in seconds; what is beyond is skipped, not caught up with.
#define OWED_S 0.25

static struct agent *agents;
static unsigned n_agents;

static void read_fleet(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL) fail("cannot read the fleet file");
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, file) > 0) {
        char *agent_id = strtok(line, " \n");
        if (agent_id == NULL) continue;
        agents = realloc(agents, (n_agents + 1) * sizeof *agents);
        struct agent *a = &agents[n_agents++];
        *a = (struct agent){.fd = -1, .who.agent_id = strdup(agent_id)};
        struct identity *who = &a->who;
        for (char *asset; (asset = strtok(NULL, " \n")) != NULL;) {
            who->asset_ids = realloc(who->asset_ids, (who->assets + 1) * sizeof asset);
            who->asset_ids[who->assets++] = strdup(asset);
        }
        if (who->assets == 0) fail("an agent of the fleet file has no asset");
    }
    free(line);
    fclose(file);
    if (n_agents == 0) fail("the fleet file is empty");
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Handles what happens within `ms`. Whether standard input has something to say.
static bool turn(int ms) {
    struct epoll_event events[EVENTS_A_TURN];
    bool commanded = false;
    int n = epoll_wait(settings.poller, events, EVENTS_A_TURN, ms);
    for (int i = 0; i < n; i++) {
        struct agent *a = events[i].data.ptr;
        if (a == NULL)
            commanded = true;
        else if (!a->dead)
            handle(a, events[i].events);
    }
    return commanded;
}

static double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static void say(const char *event, double connect_s) {
    printf("{\"event\": \"%s\", \"at_s\": %.6f, \"cpu_s\": %.6f, \"connect_s\": %.4f", event,
           now_s(), cpu_s(), connect_s);
    printf(", \"agents\": %u", n_agents);
#define COUNT(name) printf(", \"" #name "\": %llu", (unsigned long long)counters.name)
    COUNT(welcomed);
    COUNT(failed);
    COUNT(messages);
    COUNT(rows);
    COUNT(acked_rows);
    COUNT(refused_rows);
    COUNT(refused_assets);
    COUNT(setpoints);
    COUNT(unanswered);
    COUNT(goodbyes);
    COUNT(resets);
    COUNT(closed);
    COUNT(skipped);
    puts("}");
    fflush(stdout);
}

static void connect_all(unsigned opening, double timeout_s) {
    double began_s = now_s();
    for (unsigned next = 0; counters.welcomed + counters.failed < n_agents;) {
        if (now_s() - began_s > timeout_s) break;
        while (next < n_agents && counters.connecting < opening) {
            start_connecting(&agents[next++]);
            // Who is connected already is served while others are started.
            if (next % 64 == 0) turn(0);
        }
        turn(10);
    }
    say("ready", now_s() - began_s);
}

static void make_load_for(double rate, double seconds) {
    static unsigned next;
    double last_s = now_s(), until_s = last_s + seconds, owed = 0;
    while (last_s < until_s) {
        if (rate > 0) {
            double at_s = now_s();
            owed += (at_s - last_s) * rate;
            last_s = at_s;
            for (unsigned tried = 0; owed >= 1 && tried < n_agents; tried++) {
                struct agent *a = &agents[next++ % n_agents];
                if (!a->welcomed || a->dead || buffer_size(&a->out) >= WRITE_BYTES) continue;
                if (!put_message(a)) continue;
                if (!a->armed_write) flush(a);
                owed -= 1;
                tried = 0;
            }
            if (owed > rate * OWED_S) {
                counters.skipped += (uint64_t)(owed - rate * OWED_S);
                owed = rate * OWED_S;
            }
        } else {
            last_s = now_s();
        }
        turn(1);
    }
}

static void go(double rate, double warmup_s, double seconds) {
    settings.saturating = rate == 0;
    if (settings.saturating)
        for (unsigned i = 0; i < n_agents; i++)
            if (agents[i].welcomed && !agents[i].dead) saturate(&agents[i]);
    make_load_for(rate, warmup_s);
    say("begin", 0);
    make_load_for(rate, seconds);
    say("end", 0);
    settings.saturating = false;
}

static void obey_commands(void) {
    char line[128];
    for (;;) {
        while (!turn(100)) {}
        if (fgets(line, sizeof line, stdin) == NULL) return;
        double rate, warmup_s, seconds;
        unsigned rows;
        if (sscanf(line, "go %lf %u %lf %lf", &rate, &rows, &warmup_s, &seconds) == 4) {
            if (rows == 0) fail("a message has at least one row");
            settings.rows_a_message = rows;
            go(rate, warmup_s, seconds);
        } else if (strcmp(line, "close\n") == 0) {
            for (unsigned i = 0; i < n_agents; i++)
                if (!agents[i].dead && agents[i].fd >= 0) close(agents[i].fd);
            say("closed", 0);
            return;
        } else {
            fail("no such command");
        }
    }
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},    {"fleet", required_argument, NULL, 'f'},
        {"mqtt", no_argument, NULL, 'm'},          {"opening", required_argument, NULL, 'o'},
        {"superseding", no_argument, NULL, 's'},   {"tls", required_argument, NULL, 'c'},
        {"connect-timeout", required_argument, NULL, 't'}, {0}};
    unsigned opening = 1000;
    double connect_timeout_s = 60;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'p': settings.server.sin_port = htons((uint16_t)atoi(optarg)); break;
        case 'f': read_fleet(optarg); break;
        case 'm': settings.protocol = &mqtt; break;
        case 's': settings.superseding = true; break;
        case 'o': opening = (unsigned)atoi(optarg); break;
        case 'c': wire_secure(optarg); break;
        case 't': connect_timeout_s = atof(optarg); break;
        default: return 2;
        }
    }
    if (settings.server.sin_port == 0 || n_agents == 0) fail("needs --port and --fleet");
    if (opening == 0) fail("--opening: at least 1");
    settings.server.sin_family = AF_INET;
    settings.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    settings.boot_id = (uint64_t)wall_us();
    settings.poller = epoll_create1(EPOLL_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    connect_all(opening, connect_timeout_s);
    // Commands come one at a time, each after the answer to the one before: what fgets reads
    // ahead is nothing.
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(settings.poller, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    obey_commands();
    return 0;
}
