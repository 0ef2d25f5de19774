/* udpload: the client of `python -m loadtest udp`. Sends DNS queries, a fixed number of them under way.
 *
 *     udpload ADDRESS PORT QUERIES WINDOW SOURCES
 *
 * SOURCES 0:   all queries leave from one socket.
 * SOURCES 1-254: each leaves from a socket of its own, with an address of 127.SOURCES.0.0/16 and a port that no other query
 *              of this run has: a new session for whatever is between client and server.
 * A query that is not answered within LOST_S is lost; none is sent again. A good answer has the query's id and ends with
 * ANSWER, the address that the server has for NAME. Prints one line of JSON.
 *
 * Bounded: QUERIES_MOST queries, WINDOW_MOST under way, RUN_S; what was not sent by then is counted as unsent.
 */
#define _GNU_SOURCE
#include "histogram.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUERIES_MOST = 1000000, WINDOW_MOST = 256, EVENTS_MOST = 256, DATAGRAM_BYTES = 4096 };
enum { FIRST_PORT = 20000, PORTS = 10000 }; /* below the ports that Linux gives to others */
static const int64_t LOST_S = 2, RUN_S = 30;
static const char NAME[] = "\6answer\5bench\4test"; /* with the root's zero */
static const uint8_t ANSWER[] = {192, 0, 2, 1};
enum { HEAD_BYTES = 12, QUERY_BYTES = HEAD_BYTES + sizeof NAME + 4 };

struct query {
    int fd;
    bool under_way;
    uint16_t id;
    int64_t sent;
};

static struct {
    struct sockaddr_in address;
    size_t queries, window;
    uint8_t sources;
} plan;

static struct {
    size_t sent, answered, lost, wrong, refused;
    struct histogram times;
} seen;

static int epoll_fd, shared_fd;
static struct query slots[WINDOW_MOST]; /* by the id of a query, modulo the window */

static bool add_socket(int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return fd >= 0 && connect(fd, (struct sockaddr *)&plan.address, sizeof plan.address) == 0 &&
           epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* A socket for one query: 127.SOURCES.0.1 with each port, then 127.SOURCES.0.2 with each, and so on. */
static int own_socket(size_t number) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(FIRST_PORT + number % PORTS))};
    source.sin_addr.s_addr = htonl(0x7f000001 + ((uint32_t)plan.sources << 16) + (uint32_t)(number / PORTS));
    if (fd < 0 || bind(fd, (struct sockaddr *)&source, sizeof source) < 0 || !add_socket(fd))
        perror("udpload: a socket for a query"), exit(1);
    return fd;
}

static void send_query(struct query *slot, uint16_t id) {
    uint8_t query[QUERY_BYTES] = {(uint8_t)(id >> 8), (uint8_t)id, 1, 0, 0, 1}; /* RD, one question (RFC 1035, 4.1.1) */
    memcpy(query + HEAD_BYTES, NAME, sizeof NAME);
    query[QUERY_BYTES - 3] = query[QUERY_BYTES - 1] = 1; /* A, IN */
    *slot = (struct query){plan.sources ? own_socket(seen.sent) : shared_fd, true, id, now_ns()};
    seen.sent++;
    if (send(slot->fd, query, sizeof query, 0) < 0 && errno == ECONNREFUSED) { /* the fate of an earlier one */
        seen.refused++;
        send(slot->fd, query, sizeof query, 0);
    }
}

static void finish(struct query *slot, size_t *counted) {
    ++*counted;
    slot->under_way = false;
    if (plan.sources) close(slot->fd);
}

static void receive(int fd) {
    uint8_t answer[DATAGRAM_BYTES];
    ssize_t n = recv(fd, answer, sizeof answer, 0);
    if (n < 0) {
        seen.refused += errno != EAGAIN;
        return;
    }
    uint16_t id = n < HEAD_BYTES ? 0 : (uint16_t)(answer[0] << 8 | answer[1]);
    struct query *slot = &slots[id % plan.window];
    if (n < HEAD_BYTES || !slot->under_way || slot->id != id || slot->fd != fd) {
        seen.wrong++; /* too short, or an answer to a lost query, or to that of another socket */
        return;
    }
    bool good = (answer[2] & 0x80) && (answer[3] & 0x0f) == 0 && !memcmp(answer + n - sizeof ANSWER, ANSWER, sizeof ANSWER);
    add_time(&seen.times, now_ns() - slot->sent);
    finish(slot, good ? &seen.answered : &seen.wrong);
}

/* Sends what the window allows, and gives up what is late. */
static void turn(void) {
    int64_t late = now_ns() - LOST_S * SECOND;
    for (size_t i = 0; i < plan.window; i++) {
        if (slots[i].under_way && slots[i].sent < late) finish(&slots[i], &seen.lost);
        if (!slots[i].under_way && seen.sent < plan.queries) /* the next id of this slot */
            send_query(&slots[i], (uint16_t)(slots[i].sent ? slots[i].id + plan.window : i));
    }
}

int main(int argc, char **argv) {
    if (argc != 6) return fputs("udpload ADDRESS PORT QUERIES WINDOW SOURCES\n", stderr), 2;
    plan.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    plan.queries = strtoul(argv[3], NULL, 10);
    plan.window = strtoul(argv[4], NULL, 10);
    plan.sources = (uint8_t)strtoul(argv[5], NULL, 10);
    if (!inet_aton(argv[1], &plan.address.sin_addr) || plan.queries < 1 || plan.queries > QUERIES_MOST ||
        plan.window < 1 || plan.window > WINDOW_MOST || (plan.window & (plan.window - 1)))
        return fputs("udpload: not an address, too many queries, or a window that is no power of two\n", stderr), 2;
    epoll_fd = epoll_create1(0);
    shared_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (epoll_fd < 0 || !add_socket(shared_fd)) return perror("udpload"), 1;
    int64_t start = now_ns();
    struct epoll_event events[EVENTS_MOST];
    for (turn(); seen.answered + seen.lost + seen.wrong < plan.queries; turn()) {
        int count = epoll_wait(epoll_fd, events, EVENTS_MOST, 100);
        for (int i = 0; i < count; i++) receive(events[i].data.fd);
        if (seen.wrong > plan.queries / 10 || now_ns() - start > RUN_S * SECOND) break;
    }
    printf("{\"duration_s\":%.6f,\"units\":%zu,\"bytes\":0,\"p50_s\":%.9f,\"p99_s\":%.9f,"
           "\"errors\":{\"lost\":%zu,\"wrong\":%zu,\"refused\":%zu,\"unsent\":%zu}}\n",
           (double)(now_ns() - start) / 1e9, seen.answered, quantile_s(&seen.times, 0.5), quantile_s(&seen.times, 0.99),
           seen.lost, seen.wrong, seen.refused, plan.queries - seen.sent);
    return 0;
}
