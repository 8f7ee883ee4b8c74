// load offered PORT SECONDS DEADLINE_MS RATE IN_FLIGHT PAUSE_MS < CALLS
//
// Sends calls that were encoded beforehand, and counts their answers. It looks at its connections every two
// milliseconds, and its times are as exact as that.
//
// CALLS are keys, one a line, an empty line, and calls without their ids ("method":…,"body":…}), one a line. Each key
// has two connections. Connections and calls are used in turn. With a RATE, calls come at so many a second, whatever
// becomes of those before. Otherwise IN_FLIGHT senders call again when they have an answer; after a refusal they wait
// PAUSE_MS first, or longer where the refusal says so.
//
// Prints JSON: calls sent; answered with a body within SECONDS and the deadline ("done"); errors by code; refusals that
// don't say when to try again ("unhelpful"); the 99th percentile of refusals, in seconds; calls without an answer half
// a second after the last deadline; and the processor seconds of this program.
#include "load.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

enum { MOST_CODES = 20, MOST_READ = 1 << 16, TICK_NANOSECONDS = 2000000 };

// A call in flight; nobody sends again for it where `sender` is -1.
struct call {
    double began;
    int sender;
};

static struct connection *connections;
static size_t connection_count, body_count;
static char **bodies;
static struct call *calls;
static size_t sent, answered, room_for_calls;
static double *wakes;  // when each sender calls next; 0 while it waits for an answer
static double end, deadline, pause_seconds;
static size_t done, unhelpful, refused, room_for_refusals;
static double *refusals;
static struct {
    char name[40];
    size_t count;
} codes[MOST_CODES];

static void call_next(int sender) {
    char head[40];
    struct connection *connection = &connections[sent % connection_count];
    calls = grown(calls, sent, &room_for_calls, sizeof *calls);
    calls[sent] = (struct call){.began = now(), .sender = sender};
    snprintf(head, sizeof head, "{\"id\":%zu,", sent + 2);  // session.open was 1
    append_frame(&connection->out, head, bodies[sent % body_count]);
    sent += 1;
}

static void count_code(const char *name, size_t length) {
    for (size_t place = 0; place < MOST_CODES; place++) {
        if (codes[place].count == 0) snprintf(codes[place].name, sizeof codes[place].name, "%.*s", (int)length, name);
        if (strlen(codes[place].name) != length || memcmp(codes[place].name, name, length) != 0) continue;
        codes[place].count += 1;
        return;
    }
}

// Returns the seconds until it is worth another try.
static double take_error(const char *message, size_t length, double seconds) {
    const char *code = memmem(message, length, "\"code\":\"", 8);
    const char *retry = memmem(message, length, "\"retry_after_ms\":", 17);
    if (code == NULL) errx(1, "an error without a code: %.*s", (int)length, message);
    count_code(code + 8, strcspn(code + 8, "\""));
    double wait = retry == NULL ? 0 : atof(retry + 17) / 1000;
    if (strncmp(code + 8, "RESOURCE_EXHAUSTED\"", 19) == 0) {
        refusals = grown(refusals, refused, &room_for_refusals, sizeof *refusals);
        refusals[refused++] = seconds;
        unhelpful += retry == NULL;
    }
    return wait > pause_seconds ? wait : pause_seconds;
}

static void take_answer(const char *message, size_t length) {
    if (length < 8 || memcmp(message, "{\"id\":", 6) != 0) return;  // a ping
    char *rest;
    size_t number = strtoull(message + 6, &rest, 10) - 2;
    if (number >= sent) errx(1, "the answer to no call: %.*s", (int)length, message);
    struct call call = calls[number];
    double time = now(), wait = 0;
    answered += 1;
    if (strncmp(rest, ",\"body\":", 8) == 0)
        done += time <= end && time - call.began <= deadline;
    else
        wait = take_error(message, length, time - call.began);
    if (call.sender >= 0) wakes[call.sender] = time + wait;
}

static void receive(struct connection *connection) {
    size_t length;
    if (receive_some(connection, MOST_READ) == 0) errx(1, "the server closed a connection");
    for (char *message; (message = next_message(connection, &length)) != NULL;) take_answer(message, length);
}

static void read_calls(int port) {
    char *line = NULL;
    size_t size = 0, room_for_connections = 0, room_for_bodies = 0;
    ssize_t length;
    while ((length = getline(&line, &size, stdin)) > 1) {
        line[length - 1] = 0;
        for (int twice = 0; twice < 2; twice++) {
            connections = grown(connections, connection_count, &room_for_connections, sizeof *connections);
            connections[connection_count] = (struct connection){0};
            open_session(&connections[connection_count++], port, line);
        }
    }
    while ((length = getline(&line, &size, stdin)) > 1) {
        line[length - 1] = 0;
        bodies = grown(bodies, body_count, &room_for_bodies, sizeof *bodies);
        bodies[body_count++] = strdup(line);
    }
    free(line);
    if (connection_count == 0 || body_count == 0) errx(2, "there are no keys, or no calls");
}

static int is_less(const void *left, const void *right) {
    double first = *(const double *)left, second = *(const double *)right;
    return (first > second) - (first < second);
}

static void print_result(void) {
    qsort(refusals, refused, sizeof *refusals, is_less);
    printf("{\"sent\":%zu,\"done\":%zu,\"unanswered\":%zu,", sent, done, sent - answered);
    printf("\"refused\":%zu,\"refused_p99\":%.6f,", refused, refused > 0 ? refusals[refused * 99 / 100] : 0);
    printf("\"unhelpful\":%zu,", unhelpful);
    printf("\"cpu\":%.3f,\"errors\":{", own_seconds());
    for (size_t place = 0; place < MOST_CODES && codes[place].count > 0; place++)
        printf("%s\"%s\":%zu", place > 0 ? "," : "", codes[place].name, codes[place].count);
    printf("}}\n");
}

static void send_due(double start, double rate, int senders) {
    double time = now();
    if (time >= end) return;
    while (rate > 0 && (double)sent < (time - start) * rate) call_next(-1);
    for (int sender = 0; sender < senders; sender++) {
        if (wakes[sender] == 0 || wakes[sender] > time) continue;
        wakes[sender] = 0;
        call_next(sender);
    }
}

int run_offered(int count, char **arguments) {
    if (count != 7) errx(2, "load offered PORT SECONDS DEADLINE_MS RATE IN_FLIGHT PAUSE_MS < CALLS");
    double rate = atof(arguments[4]);
    int senders = rate > 0 ? 0 : atoi(arguments[5]), poll = epoll_create1(0);
    read_calls(atoi(arguments[1]));
    for (size_t place = 0; place < connection_count; place++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[place]};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, connections[place].socket, &event) != 0) err(1, "epoll_ctl");
    }
    double start = now();
    end = start + atof(arguments[2]);
    deadline = atof(arguments[3]) / 1000;
    pause_seconds = atof(arguments[6]) / 1000;
    wakes = calloc((size_t)senders + 1, sizeof *wakes);
    for (int sender = 0; sender < senders; sender++) wakes[sender] = start;
    while (now() < end || (answered < sent && now() < end + deadline + 0.5)) {
        struct epoll_event events[64];
        send_due(start, rate, senders);
        for (size_t place = 0; place < connection_count; place++) flush(&connections[place]);
        nanosleep(&(struct timespec){.tv_nsec = TICK_NANOSECONDS}, NULL);
        int ready = epoll_wait(poll, events, 64, 0);
        for (int place = 0; place < ready; place++) receive(events[place].data.ptr);
    }
    print_result();
    return 0;
}
