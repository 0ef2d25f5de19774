/* Times, and a histogram of them, for the generators of load: openloop.c, tcpload.c and udpload.c. */
#pragma once
#include <stdint.h>
#include <time.h>

enum { PRECISION_BITS = 7, BUCKETS = (64 - PRECISION_BITS + 1) << PRECISION_BITS };
static const int64_t SECOND = 1000000000;

struct histogram {
    int64_t count, largest; /* largest in nanoseconds */
    uint64_t buckets[BUCKETS];
};

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

/* Buckets as in HdrHistogram: exact below 2^PRECISION_BITS ns, then that many per doubling (error < 0.4 %). */
static inline size_t bucket_of(uint64_t value) {
    if (value >> PRECISION_BITS == 0) return value;
    int shift = 63 - __builtin_clzll(value) - PRECISION_BITS;
    return ((size_t)(shift + 1) << PRECISION_BITS) + ((value >> shift) & ((1 << PRECISION_BITS) - 1));
}

static inline double middle_of(size_t bucket) {
    if (bucket >> PRECISION_BITS == 0) return (double)bucket;
    int shift = (int)(bucket >> PRECISION_BITS) - 1;
    uint64_t mantissa = (1 << PRECISION_BITS) + (bucket & ((1 << PRECISION_BITS) - 1));
    return ((double)mantissa + 0.5) * (double)(1ULL << shift);
}

static inline void add_time(struct histogram *h, int64_t ns) {
    h->count++;
    h->buckets[bucket_of((uint64_t)ns)]++;
    if (ns > h->largest) h->largest = ns;
}

static inline double quantile_s(const struct histogram *h, double q) {
    double wanted = q * (double)h->count, passed = 0;
    for (size_t bucket = 0; bucket < BUCKETS; bucket++)
        if ((passed += (double)h->buckets[bucket]) >= wanted && passed > 0) return middle_of(bucket) / 1e9;
    return 0;
}
