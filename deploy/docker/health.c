/* SPDX-License-Identifier: Apache-2.0 */
/* health.c -- health [PORT]: exit 0 when GET /ready on the loopback address is answered with 200.
 *
 * The image has neither shell nor curl; Docker's HEALTHCHECK runs this. A server that does not
 * answer within 4 seconds is not well. Kubernetes asks over HTTP itself and needs no program. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PORT = 3100, PORT_MAX = 65535, WAIT_S = 4 };

static const char request[] = "GET /ready HTTP/1.0\r\n\r\n";

static int ask(int fd, const struct sockaddr_in *address)
{
    struct timeval wait = {.tv_sec = WAIT_S};
    char answer[16];
    size_t have = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0 ||
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
        send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1)
        return 1;
    while (have < 12) { /* "HTTP/1.1 200" */
        ssize_t n = recv(fd, answer + have, sizeof(answer) - have, 0);
        if (n <= 0)
            return 1;
        have += (size_t)n;
    }
    return memcmp(answer, "HTTP/1.", 7) == 0 && memcmp(answer + 8, " 200", 4) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : PORT;
    if (port < 1 || port > PORT_MAX)
        return 2;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? 1 : ask(fd, &address);
}
