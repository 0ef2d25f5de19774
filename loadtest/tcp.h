/* What tcpload.c and tcpserver.c agree on. The first byte of a connection selects what the server does with it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ECHO = 'e', SEND = 's', COUNT = 'c', VERIFY = 'v' };
/* ECHO: returns the message, this byte included, and the next ones. SEND: sends the pattern, without end. COUNT: counts
 * the bytes that follow; after the end of the input it sends their number, a uint64_t. VERIFY: the same, and compares
 * them with the pattern; the number of different bytes is WRONG. */
enum { MESSAGE_BYTES = 100, PATTERN_BYTES = 1 << 20 };
static const uint64_t WRONG = UINT64_MAX;

static uint8_t pattern[PATTERN_BYTES];

/* A file in memory with the pattern, which repeats. It is sent from there without being copied. -1: failed. */
static inline int pattern_file(void) {
    uint32_t state = 2463534242; /* xorshift32 (Marsaglia, 2003): no part of it is like another */
    for (size_t i = 0; i < PATTERN_BYTES; i++) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5;
        pattern[i] = (uint8_t)state;
    }
    int fd = memfd_create("pattern", 0);
    return fd >= 0 && write(fd, pattern, PATTERN_BYTES) == PATTERN_BYTES ? fd : -1;
}

/* Whether these are the bytes of the endless pattern from `position` on. */
static inline bool matches(const uint8_t *bytes, size_t count, uint64_t position) {
    while (count) {
        size_t from = position % PATTERN_BYTES, run = PATTERN_BYTES - from < count ? PATTERN_BYTES - from : count;
        if (memcmp(bytes, pattern + from, run)) return false;
        bytes += run, position += run, count -= run;
    }
    return true;
}
