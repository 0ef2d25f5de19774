/* tcpserver: the endpoint behind the peers in `python -m loadtest tcp`. Costs as little as it can.
 *
 *     tcpserver PORT
 *
 * Listens on 127.0.0.1; tcp.h says what it does with a connection. Bytes that only count are discarded in the kernel
 * (MSG_TRUNC), and those that it sends come from a file in memory (sendfile), so that a proxy is the bottleneck. An echo
 * that cannot be sent at once ends the connection: a client has one small message under way.
 *
 * Bounded: CONNECTIONS_MOST connections, by their descriptors.
 */
#define _GNU_SOURCE
#include "tcp.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum { CONNECTIONS_MOST = 1 << 16, BUFFER_BYTES = 1 << 16, DISCARD_BYTES = 1 << 20, EVENTS_MOST = 256 };

static struct connection {
    uint8_t work; /* 0: its first byte has not come */
    uint64_t bytes;
    off_t offset;
} connections[CONNECTIONS_MOST];

static int epoll_fd, listen_fd, pattern_fd;
static uint8_t buffer[BUFFER_BYTES];

static void watch(int fd, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    epoll_ctl(epoll_fd, operation, fd, &event);
}

static void accept_all(void) {
    for (int fd; (fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (fd >= CONNECTIONS_MOST) {
            close(fd);
            continue;
        }
        connections[fd] = (struct connection){0};
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
    }
}

/* Whether the connection goes on. */
static bool send_pattern(int fd) {
    struct connection *c = &connections[fd];
    ssize_t n = sendfile(fd, pattern_fd, &c->offset, (size_t)(PATTERN_BYTES - c->offset));
    c->offset %= PATTERN_BYTES;
    return n > 0 || (n < 0 && errno == EAGAIN);
}

/* Whether the connection goes on. */
static bool receive(int fd) {
    struct connection *c = &connections[fd];
    bool discard = c->work == COUNT;
    ssize_t n = discard ? recv(fd, NULL, DISCARD_BYTES, MSG_TRUNC) : recv(fd, buffer, BUFFER_BYTES, 0);
    if (n < 0) return errno == EAGAIN;
    if (n == 0) {
        if (c->work == COUNT || c->work == VERIFY) send(fd, &c->bytes, sizeof c->bytes, MSG_NOSIGNAL);
        return false;
    }
    size_t first = c->work ? 0 : 1, count = (size_t)n - first;
    if (!c->work) c->work = buffer[0];
    switch (c->work) {
    case ECHO: return send(fd, buffer, (size_t)n, MSG_NOSIGNAL) == n;
    case SEND: return watch(fd, EPOLL_CTL_MOD, EPOLLOUT), true;
    case VERIFY:
        if (c->bytes != WRONG) c->bytes = matches(buffer + first, count, c->bytes) ? c->bytes + count : WRONG;
        return true;
    case COUNT: return c->bytes += count, true;
    default: return false;
    }
}

int main(int argc, char **argv) {
    if (argc != 2) return fputs("tcpserver PORT\n", stderr), 2;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    signal(SIGPIPE, SIG_IGN); /* sendfile has no MSG_NOSIGNAL */
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listen_fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(listen_fd, 4096) < 0 ||
        (epoll_fd = epoll_create1(0)) < 0 || (pattern_fd = pattern_file()) < 0)
        return perror("tcpserver"), 1;
    watch(listen_fd, EPOLL_CTL_ADD, EPOLLIN);
    struct epoll_event events[EVENTS_MOST];
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS_MOST, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listen_fd) accept_all();
            else if (!(connections[fd].work == SEND ? send_pattern(fd) : receive(fd))) close(fd);
        }
    }
}
