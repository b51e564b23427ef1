/* SPDX-License-Identifier: Apache-2.0 */
/* metric_range.c -- range functions over the samples of a window, with Loki's order of operations,
 * so that the last digits agree (spec logql-metrics 3). */
#include "querier/metric_int.h"

static double range_seconds(const struct sk_leaf *leaf)
{
    int64_t ns = leaf->windows.range_ns;
    return (double)(ns / 1000000000) + (double)(ns % 1000000000) / 1e9;
}

static double sum_of(const struct sk_sample *s, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += s[i].value;
    return sum;
}

/* Once the mean is infinite, only an infinity of the other sign or a NaN changes it. */
static double mean_of(const struct sk_sample *s, size_t n)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++) {
        double v = s[i].value, k = (double)(i + 1);
        if (isinf(mean) && ((isinf(v) && (mean > 0) == (v > 0)) || isfinite(v)))
            continue;
        mean += v / k - mean / k;
    }
    return mean;
}

static double variance_of(const struct sk_sample *s, size_t n)
{
    double mean = 0, aux = 0;
    for (size_t i = 0; i < n; i++) {
        double d = s[i].value - mean;
        mean += d / (double)(i + 1);
        aux += d * (s[i].value - mean);
    }
    return aux / (double)n;
}

/* ---- quantiles ---- */

static bool less(double a, double b) /* NaN is the smallest */
{
    return isnan(a) ? !isnan(b) : a < b;
}

static void swap(double *a, double *b)
{
    double t = *a;
    *a = *b;
    *b = t;
}

/* Moves what sorting would put at v[k] there, nothing greater in front of it. */
static void select_nth(double *v, size_t n, size_t k)
{
    size_t lo = 0, hi = n - 1;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2, i = lo, j = hi;
        if (less(v[mid], v[lo]))
            swap(&v[mid], &v[lo]);
        if (less(v[hi], v[lo]))
            swap(&v[hi], &v[lo]);
        if (less(v[hi], v[mid]))
            swap(&v[hi], &v[mid]);
        double pivot = v[mid];
        while (i <= j) {
            while (less(v[i], pivot))
                i++;
            while (less(pivot, v[j]))
                j--;
            if (i > j)
                break;
            swap(&v[i++], &v[j]);
            if (j == 0)
                break;
            j--;
        }
        if (k <= j)
            hi = j;
        else if (k >= i)
            lo = i;
        else
            return;
    }
}

static double quantile_of(double q, const struct sk_sample *s, size_t n, double *v)
{
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    for (size_t i = 0; i < n; i++)
        v[i] = s[i].value;
    double rank = q * (double)(n - 1), whole = floor(rank), weight = rank - whole;
    size_t k = (size_t)whole, above = k + 1 < n ? k + 1 : n - 1;
    select_nth(v, n, k);
    double lower = v[k], upper = v[k];
    if (above > k) {
        upper = v[above];
        for (size_t i = above + 1; i < n; i++)
            upper = less(v[i], upper) ? v[i] : upper;
    }
    return lower * (1 - weight) + upper * weight;
}

/* ---- rate_counter ---- */

/* Loki takes the nanoseconds of entries for milliseconds here; the digits show it. */
static double counter_rate(const struct sk_leaf *leaf, const struct sk_sample *s, size_t n)
{
    if (n < 2)
        return 0;
    double first = s[0].value, last = s[n - 1].value, previous = 0, result = last - first;
    for (size_t i = 0; i < n; i++) {
        if (s[i].value < previous)
            result += previous;
        previous = s[i].value;
    }
    double range_ms = (double)(leaf->windows.range_ns / 1000000);
    double to_start = range_ms / 1000, to_end = 0;
    double span = (double)(s[n - 1].ts_ns - s[0].ts_ns) / 1000;
    double average = span / (double)(n - 1);
    if (result > 0 && first >= 0) {
        double to_zero = span * (first / result);
        to_start = to_zero < to_start ? to_zero : to_start;
    }
    double extended = span + (to_start < average * 1.1 ? to_start : average / 2) + to_end;
    return result * (extended / span) / range_seconds(leaf);
}

static double extreme_of(bool least, const struct sk_sample *s, size_t n)
{
    double best = s[0].value;
    for (size_t i = 1; i < n; i++) {
        if (isnan(best) || (least ? s[i].value < best : s[i].value > best))
            best = s[i].value;
    }
    return best;
}

double sk_range_value(const struct sk_leaf *leaf, const struct sk_sample *s, size_t count,
                      double *scratch)
{
    switch (leaf->op) {
    case SK_RANGE_RATE:
    case SK_RANGE_BYTES_RATE:
        return sum_of(s, count) / range_seconds(leaf);
    case SK_RANGE_SUM:
    case SK_RANGE_BYTES:
        return sum_of(s, count);
    case SK_RANGE_COUNT:
        return (double)count;
    case SK_RANGE_AVG:
        return mean_of(s, count);
    case SK_RANGE_MIN:
    case SK_RANGE_MAX:
        return extreme_of(leaf->op == SK_RANGE_MIN, s, count);
    case SK_RANGE_STDVAR:
        return variance_of(s, count);
    case SK_RANGE_STDDEV:
        return sqrt(variance_of(s, count));
    case SK_RANGE_QUANTILE:
        return quantile_of(leaf->param, s, count, scratch);
    case SK_RANGE_FIRST:
        return s[0].value;
    case SK_RANGE_LAST:
        return s[count - 1].value;
    case SK_RANGE_RATE_COUNTER:
        return counter_rate(leaf, s, count);
    case SK_RANGE_ABSENT:
        break;
    }
    return 1;
}
