/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apple.h"
#include "ca.h"
#include "fleet.h"
#include "key_pool.h"
#include "pomona/base/clock.h"
#include "pomona/base/file.h"
#include "service.h"

enum { TICK_MS = 1000, CHECK_MS = 50, CA_FILE_BYTES_MAX = 1024 * 1024 };

struct run {
	struct sim sim;
	struct fleet fleet;
	struct service service; /* APNs, where it is played too */
	struct net_timer *report_timer, *end_timer;
	int64_t started_us;
	bool is_terminal;
	enum rc rc; /* how it ended */
	struct err *err;
};

static int64_t elapsed_ms(const struct run *run)
{
	return (clock_monotonic_us(clock_system()) - run->started_us) / 1000;
}

static void end(struct run *run, enum rc rc)
{
	run->rc = rc;
	net_loop_stop(run->sim.loop);
}

/* --- the report */

static void print_report(struct run *run)
{
	const struct report_fleet fleet = {.elapsed_s = elapsed_ms(run) / 1000,
		.devices = run->fleet.count,
		.enrolled = fleet_enrolled(&run->fleet),
		.pushes = run->sim.wake == NULL ? NULL : &run->service.apns.stats};
	struct buf line;
	enum rc rc = RC_OK;
	bool is_rewritten = run->is_terminal && !run->sim.options->is_json;

	buf_init(&line, REPORT_BYTES_MAX);
	if (run->sim.options->is_json)
		rc = report_write_json(&run->sim.report, &fleet, &line, NULL);
	else
		report_write_text(&run->sim.report, &fleet, &line);
	if (rc == RC_OK && buf_cstr(&line) != NULL)
		(void)printf("%s%s%s", is_rewritten ? "\r\033[K" : "", buf_cstr(&line), is_rewritten ? "" : "\n");
	(void)fflush(stdout);
	buf_fini(&line);
}

static void on_second(void *ctx)
{
	struct run *run = ctx;

	print_report(run);
	if (fleet_save_some(&run->fleet, run->err) != RC_OK)
		end(run, run->err->rc);
	net_timer_set(run->report_timer, TICK_MS);
}

/* --- the end */

static const char *what_is_missing(const struct session *session)
{
	if (session->device.is_unenrolled)
		return "was unenrolled by the server";
	return session_is_enrolled(session) ? "has answered no command" : "is not enrolled";
}

static enum rc say_missing(const struct run *run, const struct session *missing)
{
	return err_set(run->err, RC_NOT_FOUND, "device %u (%s, %s) %s after %lld s%s%s",
		missing->device.index, missing->device.model->name, device_id(&missing->device),
		what_is_missing(missing), (long long)elapsed_ms(run) / 1000,
		missing->fault[0] == '\0' ? "" : ": ", missing->fault);
}

static void check_once(struct run *run)
{
	const struct session *missing = fleet_missing(&run->fleet);
	const struct session *hopeless = fleet_hopeless(&run->fleet);

	if (missing == NULL)
		end(run, RC_OK);
	else if (hopeless != NULL)
		end(run, say_missing(run, hopeless));
	else if (elapsed_ms(run) >= RUN_ONCE_BOUND_S * INT64_C(1000))
		end(run, say_missing(run, missing));
}

static void on_end_check(void *ctx)
{
	struct run *run = ctx;
	const struct options *options = run->sim.options;

	if (options->is_once)
		check_once(run);
	if (options->for_ms > 0 && elapsed_ms(run) >= options->for_ms)
		end(run, run->rc);
	net_timer_set(run->end_timer, CHECK_MS);
}

/* --- start and stop */

/* A connection a device: as many as the system allows. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static enum rc read_files(struct sim *sim, struct err *err)
{
	enum rc rc = file_read(sim->options->ca, &sim->ca_pem, err);

	if (rc != RC_OK)
		return err_context(err, "--ca");
	rc = ca_load(sim->options->dir, &sim->authority, err);
	if (rc == RC_OK)
		rc = apple_read_topic(sim->options->dir, sim->topic, err);
	sim->keys = key_pool_new((size_t)sim->options->keys);
	if (rc == RC_OK && sim->keys == NULL)
		rc = err_set(err, RC_NO_MEMORY, "keys");
	return rc == RC_OK ? RC_OK : err_context(err, "--dir (see pomona-sim ca)");
}

static enum rc start_timers(struct run *run, struct err *err)
{
	enum rc rc = net_timer_new(run->sim.loop, on_second, run, &run->report_timer);

	if (rc == RC_OK)
		rc = net_timer_new(run->sim.loop, on_end_check, run, &run->end_timer);
	if (rc != RC_OK)
		return err_set(err, rc, "timers");
	net_timer_set(run->report_timer, TICK_MS);
	net_timer_set(run->end_timer, CHECK_MS);
	return RC_OK;
}

static void rouse(void *who, unsigned channel)
{
	session_rouse(who, channel);
}

static enum rc start_apns(struct run *run, struct err *err)
{
	const struct options *options = run->sim.options;

	if (options->apns == NULL)
		return RC_OK;
	run->sim.wake = wake_new(rouse);
	if (run->sim.wake == NULL)
		return err_set(err, RC_NO_MEMORY, "APNs");
	return service_open(&run->service, run->sim.loop, options, options->apns, run->sim.wake, err);
}

static enum rc start(struct run *run, struct err *err)
{
	enum rc rc = read_files(&run->sim, err);

	if (rc == RC_OK)
		rc = net_loop_new(&run->sim.loop, err);
	if (rc == RC_OK)
		rc = net_loop_stop_on_signals(run->sim.loop, err);
	if (rc == RC_OK)
		rc = start_apns(run, err);
	if (rc == RC_OK)
		rc = fleet_open(&run->fleet, &run->sim, err);
	run->started_us = clock_monotonic_us(clock_system());
	if (rc == RC_OK)
		rc = fleet_start(&run->fleet, err);
	if (rc == RC_OK)
		rc = start_timers(run, err);
	return rc;
}

/* What ends --once early, a signal or --for, leaves devices missing: that is its failure. */
static enum rc conclude(struct run *run)
{
	const struct session *missing = fleet_missing(&run->fleet);
	struct err err = {0};

	print_report(run);
	if (run->is_terminal && !run->sim.options->is_json)
		(void)putchar('\n');
	if (run->rc == RC_OK && run->sim.options->is_once && missing != NULL)
		run->rc = say_missing(run, missing);
	if (fleet_save(&run->fleet, &err) == RC_OK)
		return run->rc;
	(void)fprintf(stderr, "pomona-sim: %s\n", err.text);
	return run->rc == RC_OK ? err_set(run->err, err.rc, "the fleet is not saved") : run->rc;
}

enum rc run_fleet(const struct options *options, struct err *err)
{
	struct run run = {.sim.options = options, .is_terminal = isatty(STDOUT_FILENO) == 1, .err = err};
	enum rc rc;

	raise_file_limit();
	buf_init(&run.sim.ca_pem, CA_FILE_BYTES_MAX);
	rc = start(&run, err);
	if (rc == RC_OK) {
		net_loop_run(run.sim.loop);
		rc = conclude(&run);
	}
	fleet_close(&run.fleet);
	service_close(&run.service);
	wake_free(&run.sim.wake);
	net_timer_free(&run.report_timer);
	net_timer_free(&run.end_timer);
	net_loop_free(&run.sim.loop);
	authority_free(&run.sim.authority);
	key_pool_free(&run.sim.keys);
	buf_fini(&run.sim.ca_pem);
	return rc;
}
