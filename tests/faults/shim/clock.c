// The clock: the wall clock jumps, as it does when somebody sets it or a machine wakes up. The monotonic clock goes on.
//
// TIDEMILL_SHIM_CLOCK=SEED:EVERY:SECONDS: after so many questions for the time, the clock is up to so many seconds elsewhere.

#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

static unsigned long long seed, every, seconds;
static atomic_ullong asked;

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("TIDEMILL_SHIM_CLOCK");
    if (text && sscanf(text, "%llu:%llu:%llu", &seed, &every, &seconds) != 3) abort();
}

// SplitMix64.
static uint64_t mixed(uint64_t number) {
    number += 0x9e3779b97f4a7c15;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
    number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
    return number ^ (number >> 31);
}

static long long jump(void) {
    if (!every) return 0;
    unsigned long long number = atomic_fetch_add(&asked, 1);
    long long by = (long long)(mixed(seed ^ mixed(number / every)) % (2 * seconds + 1)) - (long long)seconds;
    if (number % every == 0) journal(JUMPED, 0, (uint64_t)by, "", NULL, 0);
    return by;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    long done = syscall(SYS_clock_gettime, clock, time);
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += jump();
    return (int)done;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int done = clock_gettime(CLOCK_REALTIME, &now);
    if (done == 0) *time = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return done;
}

time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}
