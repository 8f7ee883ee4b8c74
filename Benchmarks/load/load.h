// What the modes of the load program share.
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { HEAD = 5 };  // bytes before each message

struct buffer {
    char *bytes;
    size_t start, end, room;
};

struct connection {
    int socket;
    struct buffer out, in;
    uint32_t watched;  // the events that epoll tells of
};

// wire.c
double now(void);
void *grown(void *memory, size_t count, size_t *room, size_t size);
char *reserve(struct buffer *buffer, size_t count);
char *begin_frame(struct buffer *buffer, size_t most);
void end_frame(struct buffer *buffer, const char *end);
void append_frame(struct buffer *buffer, const char *head, const char *rest);
char *append_number(char *place, uint64_t number);
void flush(struct connection *connection);
ssize_t receive_some(struct connection *connection, size_t most);
char *next_message(struct connection *connection, size_t *length);
void open_session(struct connection *connection, int port, const char *key);

// processor.c
double own_seconds(void);
double process_seconds(const char *pid);
double postgres_seconds(const char *postmaster);

// The modes.
int run_offered(int count, char **arguments);
int run_steady(int count, char **arguments);
int run_echo(int count, char **arguments);
