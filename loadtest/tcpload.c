/* tcpload: the client of `python -m loadtest tcp`. One thread, all connections to one address.
 *
 *     tcpload ADDRESS PORT WORK CONNECTIONS SECONDS [PREFACE BYTES]
 *
 * WORK is one of
 *   round-trip       each connection sends a message as soon as it has the last one back
 *   connect          each message has a connection of its own: connect, message, its echo, half-close, the other side's close
 *   download         receives as fast as bytes come, and discards them in the kernel
 *   upload           sends as fast as it can; at the end it compares the number of bytes with what the server has counted
 *   verify-download, verify-upload   the same, and the bytes are compared with what they should be
 *   paced            CONNECTIONS messages per second over one connection; message i is due at start + i / CONNECTIONS, and its
 *                    time counts from then, whatever happened to those before it
 * Times are those of round trips (of whole connections with connect). Prints one line of JSON.
 *
 * PREFACE, in hexadecimal, is what each connection sends first to a relay that needs it, and BYTES the size of the answer,
 * which is not looked at: SOCKS (RFC 1928).
 *
 * Bounded: CONNECTIONS_MOST connections, ERRORS_MOST errors, DRAIN_S for the server's counts.
 */
#define _GNU_SOURCE
#include "histogram.h"
#include "tcp.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum { CONNECTIONS_MOST = 4096, ERRORS_MOST = 100, EVENTS_MOST = 256, BUFFER_BYTES = 1 << 16, DISCARD_BYTES = 1 << 20 };
static const int64_t DRAIN_S = 5;
enum phase { CONNECTING, PREFACED, WAITING, CLOSING, RECEIVING, SENDING, COUNTED };

struct connection {
    int fd;
    enum phase phase;
    int64_t began; /* of the message under way, or of the connection */
    uint64_t messages, bytes;
    off_t offset;
    size_t filled;
    uint8_t buffer[MESSAGE_BYTES];
};

static struct {
    struct sockaddr_in address;
    const char *work;
    size_t connections, preface_bytes, answer_bytes;
    uint8_t preface[MESSAGE_BYTES];
} plan;

static struct {
    uint64_t units, bytes, failed, wrong;
    struct histogram times;
} seen;

static int epoll_fd, pattern_fd;
static bool over; /* no connection is opened any more */
static uint8_t scratch[BUFFER_BYTES];

static bool does(const char *work) { return strcmp(plan.work, work) == 0; }

static void watch(struct connection *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(epoll_fd, operation, c->fd, &event);
}

static void open_connection(struct connection *c) {
    *c = (struct connection){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .began = now_ns()};
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(c, EPOLL_CTL_ADD, EPOLLOUT);
    connect(c->fd, (struct sockaddr *)&plan.address, sizeof plan.address); /* an error comes as an event */
}

static void end(struct connection *c, uint64_t *counted) {
    ++*counted;
    close(c->fd);
    c->fd = -1;
    if (!over && seen.failed + seen.wrong <= ERRORS_MOST) open_connection(c);
}

/* A message is different from those before it, so that a byte of an earlier one is noticed. */
static void write_message(uint8_t *message, uint64_t number) {
    memcpy(message, pattern + number % (PATTERN_BYTES - MESSAGE_BYTES), MESSAGE_BYTES);
    message[0] = ECHO;
}

static void send_message(struct connection *c) {
    uint8_t message[MESSAGE_BYTES];
    write_message(message, c->messages);
    c->filled = 0;
    if (send(c->fd, message, MESSAGE_BYTES, MSG_NOSIGNAL) != MESSAGE_BYTES) return end(c, &seen.failed);
}

static void begin(struct connection *c) {
    bool up = strstr(plan.work, "upload"), down = strstr(plan.work, "download");
    watch(c, EPOLL_CTL_MOD, up ? EPOLLOUT : EPOLLIN);
    c->phase = up ? SENDING : down ? RECEIVING : WAITING;
    uint8_t work = down ? SEND : does("upload") ? COUNT : VERIFY;
    if (!up && !down) {
        if (does("round-trip")) c->began = now_ns();
        send_message(c);
    } else if (send(c->fd, &work, 1, MSG_NOSIGNAL) != 1) end(c, &seen.failed);
}

static void connected(struct connection *c) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) return end(c, &seen.failed);
    if (!plan.preface_bytes) return begin(c);
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    c->phase = PREFACED;
    if (send(c->fd, plan.preface, plan.preface_bytes, MSG_NOSIGNAL) < 0) end(c, &seen.failed);
}

static void wait_for_answer(struct connection *c) {
    ssize_t n = recv(c->fd, c->buffer, plan.answer_bytes - c->filled, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return end(c, &seen.failed);
    if ((c->filled += (size_t)n) == plan.answer_bytes) begin(c);
}

static void wait_for_echo(struct connection *c) {
    ssize_t n = recv(c->fd, c->buffer + c->filled, MESSAGE_BYTES - c->filled, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return end(c, &seen.failed);
    if ((c->filled += (size_t)n) < MESSAGE_BYTES) return;
    uint8_t message[MESSAGE_BYTES];
    write_message(message, c->messages++);
    if (memcmp(message, c->buffer, MESSAGE_BYTES)) return end(c, &seen.wrong);
    if (does("connect")) {
        shutdown(c->fd, SHUT_WR);
        c->phase = CLOSING;
        return;
    }
    int64_t now = now_ns();
    add_time(&seen.times, now - c->began);
    seen.units++;
    c->began = now;
    send_message(c);
}

static void wait_for_close(struct connection *c) {
    ssize_t n = recv(c->fd, c->buffer, MESSAGE_BYTES, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n) return end(c, n > 0 ? &seen.wrong : &seen.failed);
    add_time(&seen.times, now_ns() - c->began);
    end(c, &seen.units);
}

static void receive(struct connection *c) {
    bool discard = does("download");
    ssize_t n = discard ? recv(c->fd, NULL, DISCARD_BYTES, MSG_TRUNC) : recv(c->fd, scratch, BUFFER_BYTES, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return end(c, &seen.failed);
    if (!discard && !matches(scratch, (size_t)n, c->bytes)) return end(c, &seen.wrong);
    c->bytes += (uint64_t)n;
    seen.bytes += (uint64_t)n;
}

static void send_bytes(struct connection *c) {
    ssize_t n = sendfile(c->fd, pattern_fd, &c->offset, (size_t)(PATTERN_BYTES - c->offset));
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return end(c, &seen.failed);
    c->offset %= PATTERN_BYTES;
    c->bytes += (uint64_t)n;
    seen.bytes += (uint64_t)n;
}

static void compare_count(struct connection *c) {
    uint64_t count = 0;
    ssize_t n = recv(c->fd, &count, sizeof count, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n != sizeof count) return end(c, &seen.failed);
    end(c, count == c->bytes ? &seen.units : &seen.wrong);
}

static void run(int64_t until) {
    static void (*const steps[])(struct connection *) = {
        [CONNECTING] = connected, [PREFACED] = wait_for_answer, [WAITING] = wait_for_echo, [CLOSING] = wait_for_close,
        [RECEIVING] = receive, [SENDING] = send_bytes, [COUNTED] = compare_count};
    struct epoll_event events[EVENTS_MOST];
    for (int64_t now; (now = now_ns()) < until && seen.failed + seen.wrong <= ERRORS_MOST;) {
        if (over && seen.units + seen.failed + seen.wrong >= plan.connections) return;
        int count = epoll_wait(epoll_fd, events, EVENTS_MOST, (int)((until - now) / 1000000) + 1);
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            steps[c->phase](c);
        }
    }
}

/* The sending side ends, and the server's counts come. The value: how many did not come. */
static uint64_t drain(struct connection *all) {
    over = true;
    for (struct connection *c = all; c < all + plan.connections; c++) {
        shutdown(c->fd, SHUT_WR);
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
        c->phase = COUNTED;
    }
    run(now_ns() + DRAIN_S * SECOND);
    return plan.connections - seen.units;
}

static void pace(double rate, int64_t start, double seconds) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct timeval limit = {.tv_sec = DRAIN_S};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&plan.address, sizeof plan.address) < 0) seen.failed++;
    if (plan.preface_bytes && (send(fd, plan.preface, plan.preface_bytes, MSG_NOSIGNAL) < 0 ||
                               recv(fd, scratch, plan.answer_bytes, MSG_WAITALL) != (ssize_t)plan.answer_bytes))
        seen.failed++;
    for (uint64_t number = 0; !seen.failed && (double)number < rate * seconds; number++) {
        int64_t due = start + (int64_t)((double)number * 1e9 / rate);
        struct timespec at = {.tv_sec = due / SECOND, .tv_nsec = due % SECOND};
        uint8_t message[MESSAGE_BYTES], echo[MESSAGE_BYTES];
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        write_message(message, number);
        bool back = send(fd, message, MESSAGE_BYTES, MSG_NOSIGNAL) == MESSAGE_BYTES &&
                    recv(fd, echo, MESSAGE_BYTES, MSG_WAITALL) == MESSAGE_BYTES;
        if (!back) seen.failed++;
        else if (memcmp(message, echo, MESSAGE_BYTES)) seen.wrong++;
        else add_time(&seen.times, now_ns() - due), seen.units++;
    }
}

int main(int argc, char **argv) {
    if (argc != 6 && argc != 8)
        return fputs("tcpload ADDRESS PORT WORK CONNECTIONS SECONDS [PREFACE BYTES]\n", stderr), 2;
    double seconds = atof(argv[5]), rate = atof(argv[4]);
    plan.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    plan.work = argv[3];
    plan.connections = strtoul(argv[4], NULL, 10);
    if (argc == 8) {
        while (plan.preface_bytes < MESSAGE_BYTES && sscanf(argv[6] + 2 * plan.preface_bytes, "%2hhx",
                                                            &plan.preface[plan.preface_bytes]) == 1)
            plan.preface_bytes++;
        plan.answer_bytes = strtoul(argv[7], NULL, 10);
    }
    if (plan.answer_bytes > MESSAGE_BYTES) return fputs("tcpload: the answer is too long\n", stderr), 2;
    if (!inet_aton(argv[1], &plan.address.sin_addr) || plan.connections < 1 || plan.connections > CONNECTIONS_MOST ||
        seconds > 600)
        return fputs("tcpload: not an address, too many connections, or too long\n", stderr), 2;
    signal(SIGPIPE, SIG_IGN); /* sendfile has no MSG_NOSIGNAL */
    prctl(PR_SET_TIMERSLACK, 1UL); /* 50 us by default, more than some of the times measured */
    epoll_fd = epoll_create1(0);
    pattern_fd = pattern_file();
    struct connection *all = calloc(plan.connections, sizeof *all);
    if (epoll_fd < 0 || pattern_fd < 0 || !all) return perror("tcpload"), 1;
    int64_t start = now_ns();
    uint64_t unfinished = 0;
    double duration_s = seconds;
    if (does("paced")) pace(rate, start, seconds);
    else {
        for (size_t i = 0; i < plan.connections; i++) open_connection(&all[i]);
        run(start + (int64_t)(seconds * 1e9));
        duration_s = (double)(now_ns() - start) / 1e9;
        if (strstr(plan.work, "upload")) unfinished = drain(all);
    }
    printf("{\"duration_s\":%.6f,\"units\":%lu,\"bytes\":%lu,\"p50_s\":%.9f,\"p99_s\":%.9f,"
           "\"errors\":{\"failed\":%lu,\"wrong\":%lu,\"unfinished\":%lu}}\n",
           duration_s, seen.units, seen.bytes, quantile_s(&seen.times, 0.5), quantile_s(&seen.times, 0.99), seen.failed,
           seen.wrong, unfinished);
    return 0;
}
