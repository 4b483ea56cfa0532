/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An honest fleet in open loop: what a device does is due at a time that does not depend on the server, and its
 * latency counts from then, so that a server that stalls cannot hide it. `fleet DIR PORT SECONDS INTERVAL
 * KIND:RATE:DEVICES...` opens the connections that are kept, prints a line, waits for one on stdin, and then
 * prints a line of JSON each INTERVAL and one at the end, when all that was due is answered and the queues of
 * those who answer are empty. A device whose connection breaks, or that is told 503, comes again 100 ms later.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device.h"
#include "pomona/base/clock.h"

enum {
	EVENTS = 256,
	GROUPS_MAX = 8,
	REQUEST_BYTES_MAX = 65536,
	REPLY_BYTES_MAX = 65536,
	LATENCIES_MAX = 1 << 20, /* of a group in an interval */
	BACKLOG_MAX = 1 << 18,   /* what is due while all devices of a group are busy */
	RETRY_US = 100000,
	LAST_WAIT_US = 30000000,
	LOOK_US = 100000,
	US_PER_S = 1000000,
	ADDRESSES = 0x7f010001, /* 127.1.0.1 and those behind it */
};

enum phase { PHASE_WARM, PHASE_RUN, PHASE_DRAIN };

struct group;

struct member {
	struct group *group;
	size_t device;
	SSL_CTX *tls;
	SSL *ssl; /* NULL: not connected */
	int fd;
	bool is_busy;
	bool is_answering; /* the request under way is an answer to `uuid` */
	size_t step;
	struct buf request;
	size_t sent;
	size_t received;
	char reply[REPLY_BYTES_MAX + 1];
	char uuid[DEVICE_UUID_BYTES];
	int64_t due_us;
	int64_t retry_us; /* 0: not waiting for another try */
	struct member *next_free;
};

struct kind {
	const char *name;
	bool is_kept;
	size_t steps; /* requests */
	void (*say)(struct member *member);
};

struct group {
	const struct kind *kind;
	double rate; /* a second */
	struct member *members;
	size_t count;
	struct member *free; /* who has rested longest is the first, so that none is idle for long */
	struct member **free_end;
	int64_t next_us;
	int64_t *backlog; /* a ring of due times */
	size_t backlog_first;
	size_t backlog_len;
	uint32_t *latencies_us; /* of this interval */
	size_t latency_count;
	uint64_t due;
	uint64_t done;
	uint64_t answered; /* commands */
	uint64_t retries;
	uint64_t unavailable; /* 503 */
	uint64_t faults;      /* another status than it must be */
};

static struct fleet {
	struct group groups[GROUPS_MAX];
	size_t group_count;
	size_t busy;
	unsigned port;
	int epoll;
	enum phase phase;
	uint64_t random;
} fleet = {.random = UINT64_C(88172645463325252)};

static int64_t now_us(void)
{
	return clock_monotonic_us(clock_system());
}

static void die(const char *what)
{
	(void)fprintf(stderr, "bench-fleet: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- what they say */

static void say_idle(struct member *member)
{
	device_say_idle(&member->request, member->device);
}

static void say_answer(struct member *member)
{
	member->is_answering = member->uuid[0] != 0;
	if (member->is_answering)
		device_say_answer(&member->request, member->device, member->uuid);
	else
		device_say_idle(&member->request, member->device);
}

static void say_token(struct member *member)
{
	device_say_token_update(&member->request, member->device);
}

static void say_enroll(struct member *member)
{
	if (member->step == 0)
		device_say_authenticate(&member->request, member->device);
	else
		device_say_token_update(&member->request, member->device);
}

static const struct kind kinds[] = {
	{"idle", true, 1, say_idle},
	{"answer", true, 1, say_answer},
	{"token", true, 1, say_token},
	{"poll", false, 1, say_idle},
	{"enroll", false, 2, say_enroll},
};

/* --- connections */

static void watch(struct member *member, int op, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = member};

	if (epoll_ctl(fleet.epoll, op, member->fd, &event) != 0)
		die("epoll_ctl");
}

static void disconnect(struct member *member)
{
	if (member->ssl == NULL)
		return;
	(void)SSL_shutdown(member->ssl);
	SSL_free(member->ssl);
	member->ssl = NULL;
	(void)close(member->fd);
}

/* It comes again: whoever is turned away or cut off has lost nothing but time. */
static void fail(struct member *member)
{
	disconnect(member);
	if (!member->is_busy)
		return;
	member->group->retries++;
	member->retry_us = now_us() + RETRY_US;
}

static bool open_connection(struct member *member)
{
	static char name[] = "localhost"; /* the macro takes it without const */
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)fleet.port)};
	struct linger gone = {.l_onoff = 1}; /* a reset leaves no port in TIME_WAIT */
	int on = 1;

	from.sin_addr.s_addr = htonl(ADDRESSES + (uint32_t)member->device); /* each has its own */
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	member->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (member->fd < 0)
		die("socket");
	(void)setsockopt(member->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(member->fd, SOL_SOCKET, SO_LINGER, &gone, sizeof(gone));
	member->ssl = SSL_new(member->tls);
	if (member->ssl == NULL || SSL_set_fd(member->ssl, member->fd) != 1)
		die("SSL_new");
	(void)SSL_set_tlsext_host_name(member->ssl, name);
	SSL_set_connect_state(member->ssl);
	(void)setsockopt(member->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(member->fd, (struct sockaddr *)&from, sizeof(from)) != 0)
		die("bind");
	if (connect(member->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)
		return false;
	watch(member, EPOLL_CTL_ADD, EPOLLOUT);
	return true;
}

/* The next request of what is under way, on a new connection where there is none. */
static void request(struct member *member)
{
	buf_clear(&member->request);
	member->is_answering = false;
	member->sent = 0;
	member->received = 0;
	member->group->kind->say(member);
	if (member->ssl != NULL)
		watch(member, EPOLL_CTL_MOD, EPOLLOUT);
	else if (!open_connection(member))
		fail(member);
}

/* --- what is due */

static void begin(struct member *member, int64_t due_us)
{
	member->is_busy = true;
	member->due_us = due_us;
	member->step = 0;
	member->retry_us = 0;
	fleet.busy++;
	request(member);
}

static void note_latency(struct group *group, int64_t us)
{
	group->done++;
	if (group->latency_count < LATENCIES_MAX)
		group->latencies_us[group->latency_count++] = (uint32_t)us;
}

static void rest(struct member *member)
{
	member->next_free = NULL;
	*member->group->free_end = member;
	member->group->free_end = &member->next_free;
}

static struct member *take_rested(struct group *group)
{
	struct member *member = group->free;

	if (member == NULL)
		return NULL;
	group->free = member->next_free;
	if (group->free == NULL)
		group->free_end = &group->free;
	return member;
}

static void end(struct member *member)
{
	struct group *group = member->group;

	member->is_busy = false;
	fleet.busy--;
	if (fleet.phase == PHASE_RUN)
		note_latency(group, now_us() - member->due_us);
	if (!group->kind->is_kept)
		disconnect(member);
	if (group->backlog_len > 0) {
		int64_t due_us = group->backlog[group->backlog_first++ % BACKLOG_MAX];

		group->backlog_len--;
		begin(member, due_us);
	} else if (fleet.phase == PHASE_DRAIN && member->uuid[0] != 0) {
		begin(member, now_us());
	} else {
		rest(member);
	}
}

static void take_due(struct group *group, int64_t due_us)
{
	struct member *member = take_rested(group);

	group->due++;
	if (member != NULL)
		begin(member, due_us);
	else if (group->backlog_len < BACKLOG_MAX)
		group->backlog[(group->backlog_first + group->backlog_len++) % BACKLOG_MAX] = due_us;
}

/* Between nothing and twice the mean. */
static int64_t next_gap_us(const struct group *group)
{
	fleet.random ^= fleet.random << 13;
	fleet.random ^= fleet.random >> 7;
	fleet.random ^= fleet.random << 17;
	return (
		int64_t)((double)(fleet.random >> 11) / (double)(UINT64_C(1) << 53) * 2 * US_PER_S / group->rate);
}

/* --- replies */

static void reply_is_here(struct member *member, const char *body, size_t len)
{
	struct group *group = member->group;
	int status = (int)strtol(member->reply + 9, NULL, 10);

	if (status == 503) {
		group->unavailable++;
		fail(member);
		return;
	}
	if (status == 200 && member->is_answering)
		group->answered++;
	if (status != 200 || !device_read_command(body, len, member->uuid))
		group->faults++;
	if (++member->step < group->kind->steps)
		request(member);
	else
		end(member);
}

/* SSL_read and SSL_write finish the handshake themselves. */
static void wait_or_fail(struct member *member, int result)
{
	int why = SSL_get_error(member->ssl, result);

	if (why == SSL_ERROR_WANT_READ)
		watch(member, EPOLL_CTL_MOD, EPOLLIN);
	else if (why == SSL_ERROR_WANT_WRITE)
		watch(member, EPOLL_CTL_MOD, EPOLLOUT);
	else
		fail(member);
}

static void send_request(struct member *member)
{
	struct slice rest = slice_sub(buf_slice(&member->request), member->sent, SIZE_MAX);
	int put = SSL_write(member->ssl, rest.ptr, (int)rest.len);

	if (put <= 0) {
		wait_or_fail(member, put);
		return;
	}
	member->sent += (size_t)put;
	if (member->sent == member->request.len)
		watch(member, EPOLL_CTL_MOD, EPOLLIN);
}

static void receive(struct member *member)
{
	const char *body = NULL;
	size_t len = 0;
	size_t room = REPLY_BYTES_MAX - member->received;
	int got = SSL_read(member->ssl, member->reply + member->received, (int)room);

	if (got <= 0) {
		wait_or_fail(member, got);
		return;
	}
	member->received += (size_t)got;
	member->reply[member->received] = 0;
	if (member->is_busy && device_is_reply_whole(member->reply, member->received, &body, &len))
		reply_is_here(member, body, len);
	else if (member->received == REPLY_BYTES_MAX)
		fail(member);
}

static void serve(struct member *member)
{
	if (member->ssl == NULL)
		return;
	if (member->is_busy && member->sent < member->request.len)
		send_request(member);
	else
		receive(member);
}

/* --- the loop */

static int64_t earlier_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void start_what_is_due(int64_t now, int64_t end_us)
{
	for (size_t i = 0; i < fleet.group_count; i++) {
		struct group *group = &fleet.groups[i];

		for (; group->next_us <= now && group->next_us < end_us; group->next_us += next_gap_us(group))
			take_due(group, group->next_us);
	}
}

static int64_t retry(int64_t now)
{
	int64_t next = now + LOOK_US;

	for (size_t i = 0; i < fleet.group_count; i++)
		for (size_t k = 0; k < fleet.groups[i].count; k++) {
			struct member *member = &fleet.groups[i].members[k];

			if (member->retry_us == 0)
				continue;
			if (member->retry_us > now) {
				next = earlier_of(next, member->retry_us);
				continue;
			}
			member->retry_us = 0;
			member->step = 0;
			request(member);
		}
	return next;
}

static void turn(int64_t wake_us)
{
	struct epoll_event events[EVENTS];
	int64_t now = now_us();
	int64_t wait_us = wake_us > now ? wake_us - now : 0;
	struct timespec wait = {.tv_sec = wait_us / US_PER_S, .tv_nsec = wait_us % US_PER_S * 1000};
	int ready = epoll_pwait2(fleet.epoll, events, EVENTS, &wait, NULL);

	for (int i = 0; i < ready; i++)
		serve(events[i].data.ptr);
}

static void run_until(int64_t end_us)
{
	int64_t now = now_us();

	while (now < end_us) {
		int64_t wake = earlier_of(end_us, retry(now));

		start_what_is_due(now, end_us);
		for (size_t i = 0; i < fleet.group_count; i++)
			wake = earlier_of(wake, fleet.groups[i].next_us);
		turn(wake);
		now = now_us();
	}
}

static void await_all(void)
{
	int64_t end_us = now_us() + LAST_WAIT_US;

	for (int64_t now = now_us(); fleet.busy > 0 && now < end_us; now = now_us())
		turn(earlier_of(end_us, retry(now)));
}

/* --- what is printed */

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print_group(const struct group *group, bool is_first)
{
	size_t n = group->latency_count;
	const uint32_t *us = group->latencies_us;

	qsort(group->latencies_us, n, sizeof(*us), by_value);
	(void)printf("%s\"%s\":{\"count\":%zu,\"p50_us\":%u,\"p99_us\":%u,\"max_us\":%u,\"due\":%" PRIu64
														",\"done\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"retries\":%" PRIu64
														",\"unavailable\":%" PRIu64 ",\"faults\":%" PRIu64 "}",
		is_first ? "" : ",", group->kind->name, n, n == 0 ? 0 : us[n / 2], n == 0 ? 0 : us[n * 99 / 100],
		n == 0 ? 0 : us[n - 1], group->due, group->done, group->answered, group->retries,
		group->unavailable, group->faults);
}

static void print_line(bool is_last)
{
	(void)printf("{\"is_last\":%s,", is_last ? "true" : "false");
	for (size_t i = 0; i < fleet.group_count; i++) {
		print_group(&fleet.groups[i], i == 0);
		fleet.groups[i].latency_count = 0;
	}
	(void)printf("}\n");
	(void)fflush(stdout);
}

/* --- the life of a fleet */

/* All that are kept get their connections; the others are ready as they are. */
static void warm_up(void)
{
	for (size_t i = 0; i < fleet.group_count; i++)
		for (size_t k = 0; k < fleet.groups[i].count; k++) {
			struct member *member = &fleet.groups[i].members[k];

			if (fleet.groups[i].kind->is_kept)
				begin(member, now_us());
			else
				rest(member);
		}
	await_all();
	if (fleet.busy > 0)
		die("a device has no answer");
	for (size_t i = 0; i < fleet.group_count; i++)
		fleet.groups[i].answered = 0;
}

static void run(int64_t seconds, int64_t interval_s)
{
	int64_t began = now_us();

	fleet.phase = PHASE_RUN;
	for (size_t i = 0; i < fleet.group_count; i++)
		fleet.groups[i].next_us = began + next_gap_us(&fleet.groups[i]);
	for (int64_t at_s = 0; at_s < seconds; at_s += interval_s) {
		if (at_s > 0)
			print_line(false);
		run_until(began + earlier_of(at_s + interval_s, seconds) * US_PER_S);
	}
	await_all();
}

/* Whoever answers asks until nothing is left. */
static void drain(void)
{
	fleet.phase = PHASE_DRAIN;
	for (size_t i = 0; i < fleet.group_count; i++) {
		struct group *group = &fleet.groups[i];

		for (size_t k = group->kind->say == say_answer ? group->count : 0; k > 0; k--) {
			struct member *member = take_rested(group);

			if (member != NULL)
				begin(member, now_us());
		}
	}
	await_all();
}

static const struct kind *kind_of(const char *name, size_t len)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, name, len) == 0)
			return &kinds[i];
	return NULL;
}

static void add_member(struct group *group, struct member *member, const char *dir, size_t device)
{
	member->group = group;
	member->device = device;
	member->tls = device_tls(dir, device);
	if (member->tls == NULL)
		die("identity");
	buf_init(&member->request, REQUEST_BYTES_MAX);
}

/* "idle:200:32" */
static void add_group(const char *text, const char *dir, size_t *devices)
{
	struct group *group = &fleet.groups[fleet.group_count++];
	char *at = NULL;

	group->kind = kind_of(text, strcspn(text, ":"));
	group->rate = strtod(text + strcspn(text, ":") + 1, &at);
	group->count = at[0] == 0 ? 0 : strtoul(at + 1, NULL, 10);
	if (group->kind == NULL || group->rate <= 0 || group->count == 0)
		die(text);
	group->free_end = &group->free;
	group->members = calloc(group->count, sizeof(*group->members));
	group->backlog = calloc(BACKLOG_MAX, sizeof(*group->backlog));
	group->latencies_us = calloc(LATENCIES_MAX, sizeof(*group->latencies_us));
	if (group->members == NULL || group->backlog == NULL || group->latencies_us == NULL)
		die("memory");
	for (size_t i = 0; i < group->count; i++)
		add_member(group, &group->members[i], dir, (*devices)++);
}

int main(int argc, char **argv)
{
	size_t devices = 0;

	if (argc < 6 || argc > 5 + GROUPS_MAX) {
		(void)fprintf(stderr, "usage: bench-fleet DIR PORT SECONDS INTERVAL KIND:RATE:DEVICES...\n");
		return 64;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	fleet.port = (unsigned)strtoul(argv[2], NULL, 10);
	fleet.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 5; i < argc; i++)
		add_group(argv[i], argv[1], &devices);
	warm_up();
	(void)printf("{\"devices\":%zu}\n", devices);
	(void)fflush(stdout);
	if (getchar() == EOF)
		return 1;
	run(strtol(argv[3], NULL, 10), strtol(argv[4], NULL, 10));
	drain();
	print_line(true);
	return fleet.busy == 0 ? 0 : 1;
}
