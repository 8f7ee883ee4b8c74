// Processor time of this process and of others.
#include "load.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct times {
    int parent;
    double own, children;  // `children` are those that have ended
};

double own_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static struct times times_of(const char *pid) {
    char path[64], line[1024];
    struct times times = {0};
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return times;
    size_t count = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[count] = 0;
    unsigned long user, system, ended_user, ended_system;
    const char *name_end = strrchr(line, ')');
    if (name_end == NULL
        || sscanf(name_end + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &times.parent, &user,
                  &system, &ended_user, &ended_system) != 5)
        return times;
    double tick = (double)sysconf(_SC_CLK_TCK);
    times.own = (double)(user + system) / tick;
    times.children = (double)(ended_user + ended_system) / tick;
    return times;
}

double process_seconds(const char *pid) { return times_of(pid).own; }

// PostgreSQL's first process, and all that it has started.
double postgres_seconds(const char *postmaster) {
    if (postmaster == NULL) return 0;
    struct times first = times_of(postmaster);
    double sum = first.own + first.children;
    DIR *processes = opendir("/proc");
    if (processes == NULL) return sum;
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        struct times times = times_of(entry->d_name);
        if (times.parent == atoi(postmaster)) sum += times.own;
    }
    closedir(processes);
    return sum;
}
