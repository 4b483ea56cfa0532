/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "h2_proxy.h"
#include "h2_talk.h"
#include "h2_tunnel.h"

enum { FAKES_MAX = 12, SHORT_MS = 100, FDS_MAX = 1024 };

static struct ask one;

/* --- a name server of ours: see fake_names() */

int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
	struct addrinfo **found_r);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
	struct addrinfo **found_r);
void __real_freeaddrinfo(struct addrinfo *found);
void __wrap_freeaddrinfo(struct addrinfo *found);

static struct {
	struct addrinfo infos[FAKES_MAX];
	struct sockaddr_storage addresses[FAKES_MAX];
	size_t count;
} fake;
static atomic_bool is_hanging;
static atomic_int hanging;
static sem_t let_go;

static int find_name(const char *host, const char *port, const struct addrinfo *hints,
	struct addrinfo **found_r)
{
	if (fake.count == 0)
		return __real_getaddrinfo(host, port, hints, found_r);
	*found_r = fake.infos;
	return 0;
}

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
	struct addrinfo **found_r)
{
	int code;

	if (hints->ai_flags & AI_NUMERICHOST)
		return __real_getaddrinfo(host, port, hints, found_r);
	if (strcmp(host, "no.such.name") == 0)
		return EAI_NONAME;
	if (!atomic_load(&is_hanging))
		return find_name(host, port, hints, found_r);
	(void)atomic_fetch_add(&hanging, 1);
	(void)sem_wait(&let_go);
	code = find_name(host, port, hints, found_r);
	(void)atomic_fetch_sub(&hanging, 1); /* the test may change the names now */
	return code;
}

void __wrap_freeaddrinfo(struct addrinfo *found)
{
	if (found != fake.infos)
		__real_freeaddrinfo(found);
}

static void fake_address(const char *text, uint16_t port)
{
	struct addrinfo *info = &fake.infos[fake.count];
	struct sockaddr_storage *to = &fake.addresses[fake.count];
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	*info = (struct addrinfo){.ai_addr = (struct sockaddr *)to};
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		memcpy(to, &v4, sizeof(v4));
		info->ai_family = AF_INET;
		info->ai_addrlen = sizeof(v4);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
		memcpy(to, &v6, sizeof(v6));
		info->ai_family = AF_INET6;
		info->ai_addrlen = sizeof(v6);
	}
	if (fake.count++ > 0)
		fake.infos[fake.count - 2].ai_next = info;
}

static int dial_setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	atomic_store(&is_hanging, false);
	return talk_setup(state);
}

static void check_end(struct talk *talk, enum h2_end end, const char *text)
{
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->opens, 0);
	if (talk->end != end || strstr(talk->end_text, text) == NULL)
		fail_msg("ends by %s: %s", h2_end_name(talk->end), talk->end_text);
}

static void check_answer(struct talk *talk)
{
	talk_ask(talk, &one, "/", "x");
	talk_wait_answers(talk, 1);
	assert_int_equal(one.fate, H2_ANSWERED);
}

/* A port that is taken, so that nobody else can, and that nobody listens on; *fd_r keeps it so. */
static uint16_t closed_port(int *fd_r)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	*fd_r = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(*fd_r, (const struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(*fd_r, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin_port);
}

/* --- names */

static void families_take_turns(void **state)
{
	struct net_addresses got;
	const int wanted[] = {AF_INET6, AF_INET, AF_INET6, AF_INET, AF_INET6, AF_INET6};

	(void)state;
	for (int i = 0; i < 4; i++)
		fake_address("::1", (uint16_t)(600 + i));
	fake_address("127.0.0.1", 400);
	fake_address("127.0.0.1", 401);
	resolver_take(fake.infos, &got);
	assert_int_equal(got.count, COUNT_OF(wanted));
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		assert_int_equal(got.list[i].storage.ss_family, wanted[i]);
	resolver_take(&fake.infos[4], &got); /* one family alone */
	assert_int_equal(got.count, 2);
	resolver_take(NULL, &got);
	assert_int_equal(got.count, 0);
}

static void no_more_addresses_are_taken_than_their_bound(void **state)
{
	struct net_addresses got;

	(void)state;
	for (int i = 0; i < RESOLVER_ADDRESSES_MAX + 1; i++) {
		fake_address("127.0.0.1", (uint16_t)(400 + i));
		resolver_take(fake.infos, &got);
		assert_int_equal(got.count, i < RESOLVER_ADDRESSES_MAX ? i + 1 : RESOLVER_ADDRESSES_MAX);
	}
}

static void a_name_that_is_not_there_ends_it(void **state)
{
	struct talk *talk = *state;

	talk->params.host = "no.such.name";
	talk->params.port = 443;
	talk_open(talk);
	assert_int_equal(talk->ends, 0); /* not from within */
	check_end(talk, H2_END_CONNECT, "name no.such.name: ");
}

static void wait_for_hanging(int count)
{
	while (atomic_load(&hanging) != count)
		(void)sched_yield();
}

/* The lookup begins in a turn of the loop, and then on its thread. */
static void turn_until_hanging(struct talk *talk)
{
	while (atomic_load(&hanging) == 0) {
		net_loop_stop(talk->loop);
		net_loop_run(talk->loop);
	}
}

static void a_late_result_finds_nobody(void **state)
{
	struct talk *talk = *state;

	(void)sem_init(&let_go, 0, 0);
	atomic_store(&is_hanging, true);
	talk_listen(talk, (struct peer_conf){0});
	talk_open(talk);
	turn_until_hanging(talk);
	h2_free(&talk->h2);
	(void)sem_post(&let_go);
	wait_for_hanging(0);
	atomic_store(&is_hanging, false);
	talk_open(talk);
	talk_wait(talk, talk_is_open);
	assert_int_equal(talk->opens, 1);
}

static void a_loop_may_go_while_a_name_is_looked_up(void **state)
{
	struct talk *talk = *state;

	(void)sem_init(&let_go, 0, 0);
	atomic_store(&is_hanging, true);
	talk->params.port = 443;
	talk_open(talk);
	turn_until_hanging(talk);
	h2_free(&talk->h2);
	net_loop_free(&talk->loop);
	(void)sem_post(&let_go);
	wait_for_hanging(0);
	atomic_store(&is_hanging, false);
}

static void a_name_server_that_hangs_takes_its_time_only(void **state)
{
	struct talk *talk = *state;

	(void)sem_init(&let_go, 0, 0);
	atomic_store(&is_hanging, true);
	talk->params.port = 443;
	talk->params.connect_timeout_ms = SHORT_MS;
	for (int i = 0; i < RESOLVER_LOOKUPS_MAX; i++) {
		talk->ends = 0;
		talk_open(talk);
		check_end(talk, H2_END_CONNECT, "looking up its name: not done within 100 ms");
		h2_free(&talk->h2);
	}
	talk->ends = 0;
	talk_open(talk);
	check_end(talk, H2_END_CONNECT, "name localhost: 16 lookups hang already");
	for (int i = 0; i < RESOLVER_LOOKUPS_MAX; i++)
		(void)sem_post(&let_go);
	wait_for_hanging(0);
	atomic_store(&is_hanging, false);
}

static void a_host_that_cannot_be_is_refused(void **state)
{
	static char longest[RESOLVER_HOST_BYTES_MAX + 2];
	struct talk *talk = *state;
	const char *const hosts[] = {"", "two words", "line\n", "h\xc3\xb6st", longest};
	struct err err;

	memset(longest, 'a', sizeof(longest) - 1);
	talk->params.port = 443;
	for (size_t i = 0; i < COUNT_OF(hosts); i++) {
		talk->params.host = hosts[i];
		assert_int_equal(h2_open(talk->loop, &talk->params, &talk->h2, &err), RC_INVALID);
	}
	longest[RESOLVER_HOST_BYTES_MAX] = '\0';
	assert_int_equal(h2_open(talk->loop, &talk->params, &talk->h2, &err), RC_OK);
}

/* --- TCP */

static void a_refused_connection_ends_it(void **state)
{
	struct talk *talk = *state;

	int fd;

	talk->params.host = "127.0.0.1";
	talk->params.port = closed_port(&fd);
	talk_open(talk);
	check_end(talk, H2_END_CONNECT, "connect to 127.0.0.1:");
	assert_non_null(strstr(talk->end_text, "refused"));
	(void)close(fd);
}

static void the_next_address_is_tried_where_one_refuses(void **state)
{
	struct talk *talk = *state;

	int fd;

	talk_listen(talk, (struct peer_conf){0});
	fake_address("::ffff:255.255.255.255", 1); /* fails at once */
	fake_address("127.0.0.1", closed_port(&fd));
	fake_address("127.0.0.1", talk->peer.port);
	talk_open(talk);
	talk_wait(talk, talk_is_open);
	check_answer(talk);
	(void)close(fd);
}

/* Linux drops the SYN while the queue of who wants to be accepted is full. */
static int listen_deafly(uint16_t *port_r, int *filler_r)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*filler_r = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(*filler_r, (const struct sockaddr *)&address, len), 0);
	*port_r = ntohs(address.sin_port);
	return fd;
}

static void the_next_address_is_tried_where_one_is_silent(void **state)
{
	struct talk *talk = *state;
	uint16_t port;
	int filler, fd = listen_deafly(&port, &filler);

	talk_listen(talk, (struct peer_conf){0});
	fake_address("127.0.0.1", port);
	fake_address("127.0.0.1", talk->peer.port);
	talk_open(talk);
	talk_wait(talk, talk_is_open);
	check_answer(talk);
	(void)close(filler);
	(void)close(fd);
}

static void a_silent_address_takes_its_time_only(void **state)
{
	struct talk *talk = *state;
	int filler, fd = listen_deafly(&talk->params.port, &filler);

	talk->params.host = "127.0.0.1";
	talk->params.connect_timeout_ms = SHORT_MS;
	talk_open(talk);
	check_end(talk, H2_END_CONNECT, "connecting: not done within 100 ms");
	(void)close(filler);
	(void)close(fd);
}

static void a_silent_handshake_takes_its_time_only(void **state)
{
	struct talk *talk = *state;

	talk->params.connect_timeout_ms = SHORT_MS;
	talk_listen(talk, (struct peer_conf){.is_mute = true});
	talk_open(talk);
	check_end(talk, H2_END_CONNECT, "TLS handshake: not done within 100 ms");
}

static bool has_accepted(const struct talk *talk)
{
	return talk->peer.accepted > 0;
}

static void a_connection_may_be_freed_while_it_connects(void **state)
{
	struct talk *talk = *state;

	talk_listen(talk, (struct peer_conf){.is_mute = true});
	talk_open(talk);
	h2_free(&talk->h2); /* before its first turn */
	talk_open(talk);
	talk_wait(talk, has_accepted);
	h2_free(&talk->h2); /* amid the handshake */
	talk->params.host = "no.such.name";
	talk_open(talk);
	h2_free(&talk->h2);
	assert_int_equal(talk->ends, 0);
}

static void a_hangup_amid_the_handshake_is_no_matter_of_certificates(void **state)
{
	struct talk *talk = *state;

	talk_listen(talk, (struct peer_conf){.is_mute = true});
	talk_open(talk);
	talk_wait(talk, has_accepted);
	peer_cut(talk->peer.lines[0]);
	check_end(talk, H2_END_CONNECT, "handshake: closed by the server");
}

/* The client's own end of the connection to this port. */
static int socket_to(uint16_t port)
{
	for (int fd = 0; fd < FDS_MAX; fd++) {
		struct sockaddr_in address;
		socklen_t len = sizeof(address);

		if (getpeername(fd, (struct sockaddr *)&address, &len) == 0 && ntohs(address.sin_port) == port)
			return fd;
	}
	fail();
	return -1;
}

static void small_writes_go_at_once_and_a_dead_network_is_noticed(void **state)
{
	struct talk *talk = *state;
	int fd, value = 0;
	socklen_t len = sizeof(value);

	talk_start(talk, (struct peer_conf){0});
	fd = socket_to(talk->peer.port);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
	assert_int_not_equal(value, 0);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &len), 0);
	assert_int_equal(value, 30000);
}

/* --- proxies */

static void through_a_proxy_all_is_as_without(void **state)
{
	struct talk *talk = *state;
	struct proxy proxy;
	char wanted[128];

	talk_listen(talk, (struct peer_conf){0});
	proxy_start(&proxy, talk->loop, "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n");
	proxy.target_port = talk->peer.port;
	talk->params.proxy = proxy.address;
	talk_open(talk);
	talk_wait(talk, talk_is_open);
	check_answer(talk);
	(void)snprintf(wanted, sizeof(wanted),
		"CONNECT localhost:%u HTTP/1.1\r\nHost: localhost:%u\r\n\r\n", talk->peer.port, talk->peer.port);
	assert_string_equal(proxy.request, wanted);
	assert_string_equal(talk->peer.server_name, "localhost");
	h2_free(&talk->h2);
	proxy_stop(&proxy);
}

struct bad_proxy {
	const char *reply;
	const char *text;
};

static void a_proxy_that_does_not_agree_ends_it(void **state)
{
	const struct bad_proxy bad[] = {
		{"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
			"proxy: answers 407 Proxy Authentication Required"},
		{"HTTP/1.1 502 Bad\tGateway\r\n\r\n", "proxy: answers 502 Bad"},
		{"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "proxy: its answer is not HTTP"},
		{"HTTP/1.1 200 OK\r\n\r\nand more", "proxy: sends more than its answer"},
		{"", "proxy: hung up"},
		{"HTTP/1.1 200 OK\r\nnever ends", "proxy: hung up"},
	};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct talk *talk = *state;
		struct proxy proxy;

		talk->ends = 0;
		proxy_start(&proxy, talk->loop, bad[i].reply);
		proxy.hangs_up = true;
		talk->params.proxy = proxy.address;
		talk->params.port = 443;
		talk_open(talk);
		check_end(talk, H2_END_CONNECT, bad[i].text);
		h2_free(&talk->h2);
		proxy_stop(&proxy);
	}
}

static void a_proxys_reply_has_a_bound(void **state)
{
	static char reply[H2_TUNNEL_REPLY_BYTES_MAX + 2];
	struct talk *talk = *state;

	talk_listen(talk, (struct peer_conf){0});
	for (size_t len = H2_TUNNEL_REPLY_BYTES_MAX; len <= H2_TUNNEL_REPLY_BYTES_MAX + 1; len++) {
		struct proxy proxy;

		memset(reply, 'x', sizeof(reply));
		memcpy(reply, "HTTP/1.1 200 OK\r\nX: ", 20);
		memcpy(reply + len - 4, "\r\n\r\n", 5);
		talk->opens = 0;
		proxy_start(&proxy, talk->loop, reply);
		proxy.target_port = talk->peer.port;
		talk->params.proxy = proxy.address;
		talk_open(talk);
		if (len == H2_TUNNEL_REPLY_BYTES_MAX)
			talk_wait(talk, talk_is_open);
		else
			check_end(talk, H2_END_CONNECT, "proxy: its answer is too long");
		assert_int_equal(talk->opens, len == H2_TUNNEL_REPLY_BYTES_MAX);
		h2_free(&talk->h2);
		proxy_stop(&proxy);
	}
}

static void a_silent_proxy_takes_its_time_only(void **state)
{
	struct talk *talk = *state;
	struct proxy proxy;

	proxy_start(&proxy, talk->loop, "");
	talk->params.proxy = proxy.address;
	talk->params.port = 443;
	talk->params.connect_timeout_ms = SHORT_MS;
	talk_open(talk);
	check_end(talk, H2_END_CONNECT, "asking the proxy: not done within 100 ms");
	h2_free(&talk->h2);
	proxy_stop(&proxy);
}

static void a_proxy_that_is_not_there_is_named(void **state)
{
	struct talk *talk = *state;
	char address[32];
	int fd;

	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", closed_port(&fd));
	talk->params.proxy = address;
	talk->params.port = 443;
	talk_open(talk);
	check_end(talk, H2_END_CONNECT, "proxy: connect to 127.0.0.1:");
	h2_free(&talk->h2);
	talk->ends = 0;
	talk->params.proxy = "no.such.name:3128";
	talk_open(talk);
	check_end(talk, H2_END_CONNECT, "proxy: name no.such.name");
	(void)close(fd);
}

static void a_proxys_address_is_host_and_port(void **state)
{
	static char longest[RESOLVER_HOST_BYTES_MAX + 8];
	const char *const bad[] = {"proxy", "proxy:", ":3128", "proxy:0", "proxy:65536", "proxy:x",
		"::1:3128", "[]:3128", "[::1]", "proxy:3128:", longest};
	char host[RESOLVER_HOST_BYTES_MAX + 1];
	struct talk *talk = *state;
	uint16_t port;

	memset(longest, 'a', RESOLVER_HOST_BYTES_MAX + 1);
	memcpy(longest + RESOLVER_HOST_BYTES_MAX + 1, ":3128", 6);
	talk->params.port = 443;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		talk->params.proxy = bad[i];
		assert_int_equal(h2_open(talk->loop, &talk->params, &talk->h2, NULL), RC_INVALID);
	}
	assert_int_equal(h2_tunnel_read_proxy("proxy:3128", host, &port, NULL), RC_OK);
	assert_string_equal(host, "proxy");
	assert_int_equal(port, 3128);
	assert_int_equal(h2_tunnel_read_proxy("[fe80::1]:65535", host, &port, NULL), RC_OK);
	assert_string_equal(host, "fe80::1");
	assert_int_equal(port, 65535);
	assert_int_equal(h2_tunnel_read_proxy(longest + 1, host, &port, NULL), RC_OK);
	assert_int_equal(strlen(host), RESOLVER_HOST_BYTES_MAX);
}

static void a_proxys_reply_is_read_strictly(void **state)
{
	const struct {
		const char *head;
		enum rc rc;
	} cases[] = {
		{"HTTP/1.0 200 OK\r\n\r\n", RC_OK},
		{"HTTP/1.1 299 \r\n\r\n", RC_OK},
		{"HTTP/1.1 200\r\n\r\n", RC_OK},
		{"HTTP/1.1 2000\r\n\r\n", RC_INVALID},
		{"HTTP/1.1  200\r\n\r\n", RC_INVALID},
		{"HTTP/2.0 200\r\n\r\n", RC_INVALID},
		{"http/1.1 200\r\n\r\n", RC_INVALID},
		{"HTTP/1.1 20\r\n\r\n", RC_INVALID},
		{"\r\n\r\n", RC_INVALID},
		{"HTTP/1.1 100 Continue\r\n\r\n", RC_DENIED},
		{"HTTP/1.1 301 Moved\r\n\r\n", RC_DENIED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (h2_tunnel_read_reply(slice_of_str(cases[i].head), NULL) != cases[i].rc)
			fail_msg("%s", cases[i].head);
}

static void an_ipv6_host_has_brackets_at_the_proxy(void **state)
{
	struct talk *talk = *state;
	struct proxy proxy;

	proxy_start(&proxy, talk->loop, "HTTP/1.1 503 No\r\n\r\n");
	talk->params.host = "2001:db8::1";
	talk->params.port = 2197;
	talk->params.proxy = proxy.address;
	talk_open(talk);
	check_end(talk, H2_END_CONNECT, "proxy: answers 503 No");
	assert_string_equal(proxy.request,
		"CONNECT [2001:db8::1]:2197 HTTP/1.1\r\nHost: [2001:db8::1]:2197\r\n\r\n");
	h2_free(&talk->h2);
	proxy_stop(&proxy);
}

#define TALK_TEST(name) cmocka_unit_test_setup_teardown(name, dial_setup, talk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK_TEST(families_take_turns),
		TALK_TEST(no_more_addresses_are_taken_than_their_bound),
		TALK_TEST(a_name_that_is_not_there_ends_it),
		TALK_TEST(a_late_result_finds_nobody),
		TALK_TEST(a_loop_may_go_while_a_name_is_looked_up),
		TALK_TEST(a_name_server_that_hangs_takes_its_time_only),
		TALK_TEST(a_host_that_cannot_be_is_refused),
		TALK_TEST(a_refused_connection_ends_it),
		TALK_TEST(the_next_address_is_tried_where_one_refuses),
		TALK_TEST(the_next_address_is_tried_where_one_is_silent),
		TALK_TEST(a_silent_address_takes_its_time_only),
		TALK_TEST(a_silent_handshake_takes_its_time_only),
		TALK_TEST(a_connection_may_be_freed_while_it_connects),
		TALK_TEST(a_hangup_amid_the_handshake_is_no_matter_of_certificates),
		TALK_TEST(small_writes_go_at_once_and_a_dead_network_is_noticed),
		TALK_TEST(through_a_proxy_all_is_as_without),
		TALK_TEST(a_proxy_that_does_not_agree_ends_it),
		TALK_TEST(a_proxys_reply_has_a_bound),
		TALK_TEST(a_silent_proxy_takes_its_time_only),
		TALK_TEST(a_proxy_that_is_not_there_is_named),
		TALK_TEST(a_proxys_address_is_host_and_port),
		TALK_TEST(a_proxys_reply_is_read_strictly),
		TALK_TEST(an_ipv6_host_has_brackets_at_the_proxy),
	};

	return cmocka_run_group_tests(tests, talk_group_setup, NULL);
}
