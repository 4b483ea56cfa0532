/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#ifdef POMONA_HAVE_SYSTEMD

#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "pomona/base/clock.h"

void notify_ready(void)
{
	(void)sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_monotonic_us(clock_system()));
}

void notify_stopping(int64_t extend_s)
{
	(void)sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64, extend_s * 1000000);
}

void notify_watchdog(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}

uint64_t notify_watchdog_us(void)
{
	uint64_t us = 0;

	return sd_watchdog_enabled(0, &us) > 0 ? us : 0;
}

#else

void notify_ready(void)
{
}

void notify_reloading(void)
{
}

void notify_stopping(int64_t extend_s)
{
	(void)extend_s;
}

void notify_watchdog(void)
{
}

uint64_t notify_watchdog_us(void)
{
	return 0;
}

#endif
