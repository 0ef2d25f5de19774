/* openloop: sends one HTTP/1.1 request at fixed times, and measures from the time it should have been sent.
 *
 *     openloop PORT RATE CONNECTIONS WARMUP_S MEASURE_S keep|fresh < request
 *
 * Request i is due at start + i/RATE, whatever happened to those before it. When due it goes to the connection
 * that has been idle longest, or waits until one is; its latency counts from when it was due. So a proxy that
 * stalls is charged for every request that the stall held up ("coordinated omission" is what closed loops do).
 * "fresh" opens a connection for each request and closes it after the answer; opening is part of the latency.
 * Answers are small: head (with Content-Length) and body must fit BUFFER_BYTES. Prints one line of JSON.
 *
 * Bounded: RATE * (WARMUP_S + MEASURE_S) requests, DRAIN_S for the last answers, ERRORS_MOST errors.
 */
#define _GNU_SOURCE
#include "histogram.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 16384, CONNECTIONS_MOST = 16384, ERRORS_MOST = 100, EVENTS_MOST = 256 };
static const int64_t DRAIN_S = 5, IDLE = -1;

struct connection {
    int fd;          /* -1: closed, opened again when a request comes */
    int64_t request; /* the one under way, or IDLE */
    size_t sent, filled;
    char buffer[BUFFER_BYTES + 1];
};

static struct {
    struct sockaddr_in address;
    double rate;
    bool fresh;
    char request[BUFFER_BYTES];
    size_t request_bytes;
    int64_t start, total, warmup; /* a time, and two numbers of requests */
} plan;

static struct {
    int64_t next, finished, errors, non_2xx;
    struct histogram latencies;
} seen;

static struct connection *idle[CONNECTIONS_MOST]; /* a ring: the one idle longest goes first */
static size_t idle_first, idle_count, connections;
static int epoll_fd;

static int64_t due(int64_t request) { return plan.start + (int64_t)((double)request * 1e9 / plan.rate); }

static void hang_up(struct connection *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

static void finish(struct connection *c, bool answered, int status) {
    int64_t latency = now_ns() - due(c->request);
    if (!answered) seen.errors++;
    else if (status < 200 || status > 299) seen.non_2xx++;
    else if (c->request >= plan.warmup) add_time(&seen.latencies, latency);
    seen.finished++;
    c->request = IDLE;
    if (!answered || plan.fresh) hang_up(c);
    idle[(idle_first + idle_count++) % connections] = c;
}

static void push(struct connection *c) {
    while (c->request != IDLE && c->sent < plan.request_bytes) {
        ssize_t n = send(c->fd, plan.request + c->sent, plan.request_bytes - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) return; /* also while connecting */
        if (n < 0) return finish(c, false, 0);
        c->sent += (size_t)n;
    }
}

/* Whether the whole answer is in the buffer: 1 yes, 0 not yet, -1 it never will be one. */
static int complete(struct connection *c, int *status, bool *closes) {
    c->buffer[c->filled] = 0;
    char *end = strstr(c->buffer, "\r\n\r\n");
    if (!end) return c->filled == BUFFER_BYTES ? -1 : 0;
    char kept = end[2];
    end[2] = 0; /* so that the searches stay in the head */
    char *length = strcasestr(c->buffer, "\r\ncontent-length:");
    *closes = strcasestr(c->buffer, "\r\nconnection: close") != NULL;
    bool parsed = sscanf(c->buffer, "HTTP/1.%*1[01] %3d", status) == 1 && length;
    size_t bytes = (size_t)(end + 4 - c->buffer) + (parsed ? strtoul(length + 17, NULL, 10) : 0);
    end[2] = kept;
    if (!parsed || bytes > BUFFER_BYTES || c->filled > bytes) return -1;
    return c->filled == bytes;
}

static void pull(struct connection *c) {
    while (c->fd >= 0) {
        ssize_t n = recv(c->fd, c->buffer + c->filled, BUFFER_BYTES - c->filled, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0 || c->request == IDLE) { /* gone, or an answer that nobody asked for */
            if (n > 0) seen.errors++;
            if (c->request != IDLE) finish(c, false, 0);
            return hang_up(c);
        }
        c->filled += (size_t)n;
        int status = 0;
        bool closes = false;
        int whole = complete(c, &status, &closes);
        if (whole == 0) continue;
        finish(c, whole > 0, status);
        if (closes) hang_up(c);
    }
}

static bool open_connection(struct connection *c) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) return false;
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0) return false;
    return connect(c->fd, (struct sockaddr *)&plan.address, sizeof plan.address) == 0 || errno == EINPROGRESS;
}

static void send_what_is_due(void) {
    while (seen.next < plan.total && idle_count && seen.errors <= ERRORS_MOST && due(seen.next) <= now_ns()) {
        struct connection *c = idle[idle_first];
        idle_first = (idle_first + 1) % connections;
        idle_count--;
        c->request = seen.next++;
        c->sent = c->filled = 0;
        if (c->fd < 0 && !open_connection(c)) finish(c, false, 0);
        else push(c);
    }
}

static void run(int64_t end) {
    struct epoll_event events[EVENTS_MOST];
    while (seen.finished < plan.total && seen.errors <= ERRORS_MOST) {
        send_what_is_due();
        int64_t now = now_ns(), until = seen.next < plan.total && idle_count ? due(seen.next) : end;
        if (now >= end) return;
        int64_t wait = until > now ? until - now : 0;
        struct timespec timeout = {.tv_sec = wait / SECOND, .tv_nsec = wait % SECOND};
        int count = epoll_pwait2(epoll_fd, events, EVENTS_MOST, &timeout, NULL);
        for (int i = 0; i < count; i++) {
            push(events[i].data.ptr); /* a stale event costs a failing recv, nothing more */
            pull(events[i].data.ptr);
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 7) return fputs("openloop PORT RATE CONNECTIONS WARMUP_S MEASURE_S keep|fresh < request\n", stderr), 2;
    double warmup_s = atof(argv[4]), measure_s = atof(argv[5]);
    plan.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    plan.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    plan.rate = atof(argv[2]);
    connections = strtoul(argv[3], NULL, 10);
    plan.fresh = strcmp(argv[6], "fresh") == 0;
    plan.request_bytes = fread(plan.request, 1, BUFFER_BYTES, stdin);
    if (plan.rate < 1 || plan.rate > 1e6 || connections < 1 || connections > CONNECTIONS_MOST || measure_s > 600) return 2;
    plan.warmup = (int64_t)(plan.rate * warmup_s);
    plan.total = plan.warmup + (int64_t)(plan.rate * measure_s);
    prctl(PR_SET_TIMERSLACK, 1UL); /* 50 us by default, more than some of the latencies measured */
    epoll_fd = epoll_create1(0);
    struct connection *all = calloc(connections, sizeof *all);
    if (epoll_fd < 0 || !all) return perror("openloop"), 1;
    for (idle_count = 0; idle_count < connections; idle_count++) {
        all[idle_count].fd = -1;
        all[idle_count].request = IDLE;
        idle[idle_count] = &all[idle_count];
    }
    plan.start = now_ns() + SECOND / 100;
    run(plan.start + (int64_t)((warmup_s + measure_s) * 1e9) + DRAIN_S * SECOND);
    printf("{\"requests\":%ld,\"p50_s\":%.9f,\"p99_s\":%.9f,\"p999_s\":%.9f,\"largest_s\":%.9f,"
           "\"errors\":{\"connection\":%ld,\"status\":%ld,\"unanswered\":%ld}}\n",
           (long)seen.latencies.count, quantile_s(&seen.latencies, 0.5), quantile_s(&seen.latencies, 0.99),
           quantile_s(&seen.latencies, 0.999), (double)seen.latencies.largest / 1e9,
           (long)seen.errors, (long)seen.non_2xx, (long)(plan.total - seen.finished));
    return 0;
}
