/* walk: seconds per step of a random walk through 4 MiB, more than a core's own cache and less than the shared one.
 *
 * Tells whether neighbours on the machine crowd the shared cache: some 20-40 ns when they do not, over 100 when each
 * step goes to memory. Then all proxies are slow, and those with much code and data slowest: numbers of such a run
 * must not be compared with another's. Prints one number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LINE_BYTES = 64, LINES = 4 * 1024 * 1024 / LINE_BYTES, STEPS = 2000000 };

static struct line {
    struct line *next;
    char rest[LINE_BYTES - sizeof(struct line *)];
} lines[LINES];

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(void) {
    static size_t order[LINES];
    for (size_t i = 0; i < LINES; i++) order[i] = i;
    for (size_t i = LINES - 1; i > 0; i--) { /* a random order, the same in every run */
        size_t j = (size_t)rand() % i, swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
    for (size_t i = 0; i < LINES; i++) lines[order[i]].next = &lines[order[(i + 1) % LINES]];
    struct line *volatile at = lines;
    for (size_t i = 0; i < LINES; i++) at = at->next;
    double began = now_s();
    struct line *step = at;
    for (size_t i = 0; i < STEPS; i++) step = step->next;
    at = step; /* so that the walk is not optimised away */
    printf("%.10f\n", (now_s() - began) / STEPS);
    return 0;
}
