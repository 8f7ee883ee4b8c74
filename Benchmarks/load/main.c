// Loads a server at little cost of its own, since a load competes with what it measures for the cores.
//
//     cc -O2 -o load Benchmarks/load/*.c
//
//     load steady …     as many calls in flight as wanted; rate and times, exact to a few µs (steady.c)
//     load offered …    calls at a given rate, or patient senders; what became of them (offered.c)
//     load echo [PORT]  a server that does nothing but answer: the floor of both (echo.c)
#include "load.h"

#include <err.h>
#include <string.h>

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "steady") == 0) return run_steady(count - 1, arguments + 1);
    if (count > 1 && strcmp(arguments[1], "offered") == 0) return run_offered(count - 1, arguments + 1);
    if (count > 1 && strcmp(arguments[1], "echo") == 0) return run_echo(count - 1, arguments + 1);
    errx(2, "load steady|offered|echo …");
}
