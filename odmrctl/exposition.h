/* SPDX-License-Identifier: ISC */
/*
 * The text format that Prometheus reads (version 0.0.4): all samples of a
 * metric stand together, below its HELP and TYPE.
 */
#ifndef EXPOSITION_H
#define EXPOSITION_H

#include <stdint.h>
#include <stdio.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

void exposition_metric(
    FILE *out, const char *name, enum metric_type type, const char *help);
/* Without a label, with one, with two. */
void exposition_sample(FILE *out, const char *name, int64_t number);
void exposition_sample_one(FILE *out, const char *name, const char *label,
    const char *value, int64_t number);
void exposition_sample_two(FILE *out, const char *name, const char *label,
    const char *value, const char *label2, const char *value2, int64_t number);

#endif
