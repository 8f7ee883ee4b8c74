// load steady [-p PID]… [-m POSTMASTER] PORT CONNECTIONS IN_FLIGHT SECONDS METHOD BODY [USERS]
//
// Keeps IN_FLIGHT calls under way on each of CONNECTIONS: each answer is followed by the next call at once, those of
// one read by one write. In BODY each %u becomes a random user: u-0000000 and so on, below USERS. The key is in
// MUSTER_KEY; without one no session is opened, as for `load echo`. The first half second is not counted.
//
// Prints JSON: calls a second; the median, the 99th percentile and the greatest of their times, in µs; errors; and CPU
// a call, in µs: of this program, of the processes PID, and of PostgreSQL with all its processes.
#include "load.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

static const double WARM_UP_SECONDS = 0.5;

enum {
    STARTS = 1 << 20,    // calls that may be under way
    MOST_READ = 1 << 18,
    MOST_PIDS = 16,
    FINE = 128,          // steps of the histogram within a power of two: a time is exact to a 128th
    USER_DIGITS = 7,
};

struct processor {
    double own, processes, postgres;
};

static int poll;
static const char *pids[MOST_PIDS], *postmaster, *method, *body;
static size_t pid_count, body_room;
static uint64_t users, random_state = 88172645463325252u;
static uint64_t last_id = 1, starts[STARTS];
static uint64_t counts[64 * FINE], done, errors;  // `counts` are of times in nanoseconds
static char first_error[400];

static uint64_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static char *append_text(char *place, const char *text, size_t count) { return memcpy(place, text, count) + count; }

static char *append_user(char *place) {
    uint64_t number = next_random() % users;
    place = append_text(place, "u-", 2);
    for (int digit = USER_DIGITS - 1; digit >= 0; digit--, number /= 10) place[digit] = (char)('0' + number % 10);
    return place + USER_DIGITS;
}

static char *append_body(char *place) {
    const char *rest = body;
    for (const char *mark; (mark = strstr(rest, "%u")) != NULL; rest = mark + 2)
        place = append_user(append_text(place, rest, (size_t)(mark - rest)));
    return append_text(place, rest, strlen(rest));
}

static void call(struct connection *connection, uint64_t time) {
    char *place = begin_frame(&connection->out, body_room);
    uint64_t id = ++last_id;
    starts[id % STARTS] = time;
    place = append_number(append_text(place, "{\"id\":", 6), id);
    place = append_text(place, ",\"method\":\"", 11);
    place = append_text(place, method, strlen(method));
    place = append_body(append_text(place, "\",\"body\":", 9));
    *place++ = '}';
    end_frame(&connection->out, place);
}

static size_t step_of(uint64_t time) {
    if (time < 2 * FINE) return time;
    int shift = 63 - __builtin_clzll(time) - 7;  // so that FINE <= time >> shift < 2 * FINE
    return (size_t)(shift + 1) * FINE + (time >> shift) - FINE;
}

static double microseconds_of(size_t step) {
    if (step < 2 * FINE) return (double)step / 1000;
    size_t shift = step / FINE - 1;
    return (double)((uint64_t)(step % FINE + FINE) << shift) / 1000;
}

// The time that `part` of all calls took at most.
static double percentile(double part) {
    uint64_t below = 0, wanted = (uint64_t)((double)done * part);
    for (size_t step = 0; step < 64 * FINE; step++)
        if ((below += counts[step]) > wanted) return microseconds_of(step);
    return 0;
}

static double longest(void) {
    for (size_t step = 64 * FINE; step-- > 0;)
        if (counts[step] > 0) return microseconds_of(step);
    return 0;
}

static void take_error(const char *message, size_t length) {
    if (errors++ == 0) snprintf(first_error, sizeof first_error, "%.*s", (int)length, message);
}

static void take_answer(struct connection *connection, const char *message, size_t length, uint64_t time) {
    if (length < 8 || memcmp(message, "{\"id\":", 6) != 0) return;  // a ping
    char *rest;
    uint64_t id = strtoull(message + 6, &rest, 10);
    if (strncmp(rest, ",\"body\":", 8) != 0) take_error(message, length);
    done += 1;
    counts[step_of(time - starts[id % STARTS])] += 1;
    call(connection, time);
}

// Takes the answers that have come, and sends a call for each.
static void answer(struct connection *connection) {
    if (receive_some(connection, MOST_READ) == 0) errx(1, "the server closed a connection; %s", first_error);
    uint64_t time = (uint64_t)(now() * 1e9);
    size_t length;
    for (char *message; (message = next_message(connection, &length)) != NULL;)
        take_answer(connection, message, length, time);
    flush(connection);
}

// Waits for answers, and for room where a call could not be sent whole.
static void watch(struct connection *connection, int operation) {
    struct buffer *out = &connection->out;
    uint32_t wanted = EPOLLIN | (out->start < out->end ? EPOLLOUT : 0);
    if (operation == EPOLL_CTL_MOD && wanted == connection->watched) return;
    connection->watched = wanted;
    struct epoll_event event = {.events = wanted, .data.ptr = connection};
    if (epoll_ctl(poll, operation, connection->socket, &event) != 0) err(1, "epoll_ctl");
}

static struct processor processor(void) {
    struct processor seconds = {.own = own_seconds(), .postgres = postgres_seconds(postmaster)};
    for (size_t place = 0; place < pid_count; place++) seconds.processes += process_seconds(pids[place]);
    return seconds;
}

static void print_result(double seconds, struct processor before) {
    struct processor after = processor();
    double each = 1e6 / (double)done;
    printf("{\"rate\":%.1f,\"p50\":%.1f,\"p99\":%.1f,", (double)done / seconds, percentile(0.5), percentile(0.99));
    printf("\"most\":%.1f,\"errors\":%lu,", longest(), (unsigned long)errors);
    printf("\"own_cpu\":%.3f,", (after.own - before.own) * each);
    printf("\"cpu\":%.3f,", (after.processes - before.processes) * each);
    printf("\"postgres_cpu\":%.3f}\n", (after.postgres - before.postgres) * each);
    if (errors > 0) warnx("%lu errors, first %s", (unsigned long)errors, first_error);
}

static void read_options(int count, char **arguments) {
    for (int option; (option = getopt(count, arguments, "+p:m:")) >= 0;) {
        if (option == 'm') postmaster = optarg;
        else if (option == 'p' && pid_count < MOST_PIDS) pids[pid_count++] = optarg;
        else errx(2, "an option that is not known, or too many processes");
    }
    if (count - optind < 6) errx(2, "load steady PORT CONNECTIONS IN_FLIGHT SECONDS METHOD BODY [USERS]");
}

static struct connection *opened(int port, int count, int depth) {
    struct connection *connections = calloc((size_t)count, sizeof *connections);
    if (connections == NULL) err(1, "calloc");
    for (int place = 0; place < count; place++) {
        open_session(&connections[place], port, getenv("MUSTER_KEY"));
        for (int calls = 0; calls < depth; calls++) call(&connections[place], (uint64_t)(now() * 1e9));
        flush(&connections[place]);
        watch(&connections[place], EPOLL_CTL_ADD);
    }
    return connections;
}

static void load(double until) {
    while (now() < until) {
        struct epoll_event events[64];
        int ready = epoll_wait(poll, events, 64, 100);
        for (int place = 0; place < ready; place++) {
            answer(events[place].data.ptr);
            watch(events[place].data.ptr, EPOLL_CTL_MOD);
        }
    }
}

int run_steady(int count, char **arguments) {
    read_options(count, arguments);
    arguments += optind;
    poll = epoll_create1(0);
    method = arguments[4];
    body = arguments[5];
    users = count - optind > 6 ? strtoull(arguments[6], NULL, 10) : 1;
    body_room = 100 + strlen(method) + strlen(body) * (USER_DIGITS + 2) / 2;
    struct connection *connections = opened(atoi(arguments[0]), atoi(arguments[1]), atoi(arguments[2]));
    load(now() + WARM_UP_SECONDS);
    memset(counts, 0, sizeof counts);
    done = errors = 0;
    double begin = now();
    struct processor before = processor();
    load(begin + atof(arguments[3]));
    if (done == 0) errx(1, "no call was answered");
    print_result(now() - begin, before);
    free(connections);
    return errors > 0;
}
