// Frames, buffers and sockets.
#include "load.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void *grown(void *memory, size_t count, size_t *room, size_t size) {
    if (count < *room) return memory;
    *room = 2 * count + 1024;
    memory = realloc(memory, *room * size);
    if (memory == NULL) err(1, "realloc");
    return memory;
}

char *reserve(struct buffer *buffer, size_t count) {
    if (buffer->start == buffer->end) buffer->start = buffer->end = 0;
    buffer->bytes = grown(buffer->bytes, buffer->end + count, &buffer->room, 1);
    return buffer->bytes + buffer->end;
}

// Returns where the message goes, with room for `most` bytes.
char *begin_frame(struct buffer *buffer, size_t most) { return reserve(buffer, HEAD + most) + HEAD; }

void end_frame(struct buffer *buffer, const char *end) {
    char *frame = buffer->bytes + buffer->end;
    uint32_t length = htonl((uint32_t)(end - frame - HEAD));
    frame[0] = 0;
    memcpy(frame + 1, &length, sizeof length);
    buffer->end = (size_t)(end - buffer->bytes);
}

void append_frame(struct buffer *buffer, const char *head, const char *rest) {
    size_t head_length = strlen(head), rest_length = strlen(rest);
    char *message = begin_frame(buffer, head_length + rest_length);
    memcpy(message, head, head_length);
    memcpy(message + head_length, rest, rest_length);
    end_frame(buffer, message + head_length + rest_length);
}

char *append_number(char *place, uint64_t number) {
    char digits[20];
    size_t count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0) *place++ = digits[--count];
    return place;
}

void flush(struct connection *connection) {
    struct buffer *out = &connection->out;
    while (out->start < out->end) {
        ssize_t count = send(connection->socket, out->bytes + out->start, out->end - out->start, MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN) return;
        if (count < 0) err(1, "send");
        out->start += (size_t)count;
    }
}

// Reads once. Returns 0 when the peer closed the connection, and -1 when nothing has come.
ssize_t receive_some(struct connection *connection, size_t most) {
    struct buffer *in = &connection->in;
    if (in->start > 0) memmove(in->bytes, in->bytes + in->start, in->end - in->start);
    in->end -= in->start;
    in->start = 0;
    ssize_t count = recv(connection->socket, reserve(in, most), most, 0);
    if (count < 0 && errno == EAGAIN) return -1;
    if (count <= 0) return 0;
    in->end += (size_t)count;
    return count;
}

// Takes the next whole message; NULL when there is none. It is valid until the next read.
char *next_message(struct connection *connection, size_t *length) {
    struct buffer *in = &connection->in;
    uint32_t count;
    if (in->end - in->start < HEAD) return NULL;
    memcpy(&count, in->bytes + in->start + 1, sizeof count);
    *length = ntohl(count);
    if (in->end - in->start < HEAD + *length) return NULL;
    char *message = in->bytes + in->start + HEAD;
    in->start += HEAD + *length;
    return message;
}

// Connects; opens a session if there is a key. The call of the session has the id 1.
void open_session(struct connection *connection, int port, const char *key) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    connection->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection->socket, (struct sockaddr *)&address, sizeof address) != 0) err(1, "connect");
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (key != NULL && key[0] != 0) {
        char rest[400];
        snprintf(rest, sizeof rest, "%s\"}}", key);
        append_frame(&connection->out, "{\"id\":1,\"method\":\"session.open\",\"body\":{\"key\":\"", rest);
        char *answer = NULL;
        size_t length = 0;
        flush(connection);
        while (answer == NULL) {
            if (receive_some(connection, 4096) <= 0) errx(1, "the server closed a connection");
            answer = next_message(connection, &length);
        }
        if (memmem(answer, length, "\"body\":", 7) == NULL) errx(1, "no session: %.*s", (int)length, answer);
    }
    fcntl(connection->socket, F_SETFL, O_NONBLOCK);
}
