// hiredis as Sluice uses it: its formatting of commands and its parser of replies, not its sockets.
#ifndef SLUICE_CHIREDIS_H
#define SLUICE_CHIREDIS_H

#include <hiredis/hiredis.h>

#if HIREDIS_MAJOR >= 1
typedef size_t sluice_redis_elements;
#else
typedef int sluice_redis_elements;
#endif

/* hiredis makes room for all elements of an array as soon as it has read how many there are to be, and goes through all of that when it
 * frees it. So a server could have 16 GB laid out, and gone through, for a line of 13 bytes. These are the functions of a reader that
 * makes arrays of `elements` in all at most; the rest is that of hiredis. */
typedef struct {
    redisReplyObjectFunctions functions;
    const redisReplyObjectFunctions *whole;
    size_t elements;
} sluice_redis_bounds;

static inline void *sluice_redis_create_array(const redisReadTask *task, sluice_redis_elements count) {
    sluice_redis_bounds *bounds = (sluice_redis_bounds *)task->privdata;
    if (count > 0 && (size_t)count > bounds->elements) return NULL;
    if (count > 0) bounds->elements -= (size_t)count;
    return bounds->whole->createArray(task, count);
}

/* `bounds` is to outlive the reader. NULL without memory. */
static inline redisReader *sluice_redis_reader_create(sluice_redis_bounds *bounds) {
    redisReader *reader = redisReaderCreate();
    if (reader == NULL) return NULL;
    bounds->whole = reader->fn;
    bounds->functions = *reader->fn;
    bounds->functions.createArray = sluice_redis_create_array;
    bounds->elements = 0;
    reader->fn = &bounds->functions;
    reader->privdata = bounds;
    return reader;
}

#endif
