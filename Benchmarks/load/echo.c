// load echo [PORT]: answers each frame at once with a frame of about 70 bytes, the reply of segments.check for one user
// and one segment. It is the floor: what the socket and the load cost by themselves. Replies to what came in one read
// leave in one write. Prints its port, and ends when its input ends.
#include "load.h"

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_READ = 1 << 18 };

static int poll;

static void watch(int socket, struct connection *connection) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event) != 0) err(1, "epoll_ctl");
}

static int listening(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    int made = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(made, (struct sockaddr *)&address, size) != 0 || listen(made, 64) != 0) err(1, "listen");
    getsockname(made, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return made;
}

static void welcome(int socket) {
    struct connection *connection = calloc(1, sizeof *connection);
    int one = 1;
    if (connection == NULL) err(1, "calloc");
    connection->socket = accept(socket, NULL, NULL);
    if (connection->socket < 0) err(1, "accept");
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(connection->socket, connection);
}

static void part(struct connection *connection) {
    close(connection->socket);
    free(connection->in.bytes);
    free(connection->out.bytes);
    free(connection);
}

static void answer(struct connection *connection) {
    static const char before[] = "{\"id\":", after[] = ",\"body\":{\"results\":[{\"user\":\"known\",\"in\":[true]}]}}";
    size_t length;
    if (receive_some(connection, MOST_READ) == 0) return part(connection);
    for (char *message; (message = next_message(connection, &length)) != NULL;) {
        const char *id = memmem(message, length < 32 ? length : 32, before + 1, sizeof before - 2);
        if (id == NULL) continue;
        char *reply = begin_frame(&connection->out, 100), *place = reply;
        place = memcpy(place, before, sizeof before - 1);
        place = append_number(place + sizeof before - 1, strtoull(id + sizeof before - 2, NULL, 10));
        memcpy(place, after, sizeof after - 1);
        end_frame(&connection->out, place + sizeof after - 1);
    }
    flush(connection);
}

int run_echo(int count, char **arguments) {
    poll = epoll_create1(0);
    int socket = listening(count > 1 ? atoi(arguments[1]) : 0);
    struct connection listener = {.socket = socket}, input = {.socket = STDIN_FILENO};
    watch(socket, &listener);
    watch(STDIN_FILENO, &input);
    for (;;) {
        struct epoll_event events[64];
        char byte;
        int ready = epoll_wait(poll, events, 64, -1);
        for (int place = 0; place < ready; place++) {
            struct connection *connection = events[place].data.ptr;
            if (connection == &listener) welcome(socket);
            else if (connection != &input) answer(connection);
            else if (read(STDIN_FILENO, &byte, 1) <= 0) return 0;
        }
    }
}
