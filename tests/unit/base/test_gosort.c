/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which sk_go_sort() leaves elements is that of Go's sort.Slice, equal ones and
 * comparisons that are not strict included: each row has the hash of what Go 1.26 made of it. */
#include "base/gosort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { COUNT_MAX = 5000 };

struct element {
    uint32_t key, at;
};

struct list {
    struct element items[COUNT_MAX];
    bool strict;
};

static const struct {
    uint32_t count, modulus;
    bool strict;
    int order; /* 0 at random, 1 ascending by threes, 2 descending */
    uint64_t hash;
} rows[] = {
    {1, 3, 1, 0, 0xaf63bd4c8601b7dfu},
    {1, 3, 0, 0, 0xaf63bd4c8601b7dfu},
    {2, 3, 1, 0, 0x08328707b4eb6e3au},
    {2, 3, 0, 0, 0x08328707b4eb6e3au},
    {12, 3, 1, 0, 0x0958b8dad3d28505u},
    {12, 3, 0, 0, 0x511bb10c4dc230bfu},
    {13, 3, 1, 0, 0xee894fa50b780bedu},
    {13, 3, 0, 0, 0xfde34fd3699cbf31u},
    {20, 3, 1, 0, 0x24c7d8c6832f9521u},
    {20, 3, 0, 0, 0xc046699f0272a373u},
    {49, 3, 1, 0, 0x1d8e1f3add490a41u},
    {49, 3, 0, 0, 0x65bae06f5c6de349u},
    {50, 1, 1, 0, 0xef94cd2b7088d5eau},
    {50, 1, 1, 1, 0xef94cd2b7088d5eau},
    {50, 1, 1, 2, 0x9343451b7a466e24u},
    {50, 1, 0, 0, 0x90e5875ba851ce24u},
    {50, 1, 0, 1, 0xc7a226bb1b3931a0u},
    {50, 1, 0, 2, 0x20751bbb3befe03eu},
    {50, 3, 1, 0, 0xc57521bcdcd1c086u},
    {50, 3, 0, 0, 0x08a77c1265885678u},
    {50, 16, 1, 0, 0xcb5b3f79d46ce94au},
    {50, 16, 0, 0, 0x509f0a3fa7efcb34u},
    {50, 1073741824, 1, 0, 0x9fe5fa4079677878u},
    {50, 1073741824, 0, 0, 0x9fe5fa4079677878u},
    {60, 1, 1, 0, 0x2a8c7ed8430bcee9u},
    {60, 1, 1, 1, 0x2a8c7ed8430bcee9u},
    {60, 1, 1, 2, 0x0be2143ece70012du},
    {60, 1, 0, 0, 0xba9a68d7c381cf17u},
    {60, 1, 0, 1, 0x933f715d6afba7ddu},
    {60, 1, 0, 2, 0xa0ed52fdf6e3e0e7u},
    {60, 3, 1, 0, 0xecbcf2fc8014427du},
    {60, 3, 0, 0, 0x5c2c81af900ed17bu},
    {60, 16, 1, 0, 0x9231ae91e0da9b5fu},
    {60, 16, 0, 0, 0x2ad616a7156fc68du},
    {60, 1073741824, 1, 0, 0xc541bc80e1636a47u},
    {60, 1073741824, 0, 0, 0xc541bc80e1636a47u},
    {61, 1, 1, 0, 0x588a5e79ed1073efu},
    {61, 1, 1, 1, 0x588a5e79ed1073efu},
    {61, 1, 1, 2, 0x329f609de972f835u},
    {61, 1, 0, 0, 0x86ddf3db42cac07bu},
    {61, 1, 0, 1, 0xfe1f3d5b8ba7b9b3u},
    {61, 1, 0, 2, 0x5ca4da1dde3357afu},
    {61, 3, 1, 0, 0x596f2770fa94e2e5u},
    {61, 3, 0, 0, 0xc65cd7be9dc348e3u},
    {61, 16, 1, 0, 0x5b7aa3e7a7e7c4d1u},
    {61, 16, 0, 0, 0x4a2a7598b8f3aad1u},
    {61, 1073741824, 1, 0, 0x40c84a75af381491u},
    {61, 1073741824, 0, 0, 0x40c84a75af381491u},
    {100, 1, 1, 0, 0xfb5c8cec60d83ab1u},
    {100, 1, 1, 1, 0xfb5c8cec60d83ab1u},
    {100, 1, 1, 2, 0xf982ab22ba269df5u},
    {100, 1, 0, 0, 0x77eeec3cb5fa36fdu},
    {100, 1, 0, 1, 0xc92b60a84c0ae46bu},
    {100, 1, 0, 2, 0xfd163dc82d434dc9u},
    {100, 3, 1, 0, 0x7a0944b4ac74df7du},
    {100, 3, 0, 0, 0x4f2ce7c0f420fcf5u},
    {100, 16, 1, 0, 0xb5dc4bd07b642cd9u},
    {100, 16, 0, 0, 0x8b9c7dfe9e536287u},
    {100, 1073741824, 1, 0, 0x0d95f6cbdf89da57u},
    {100, 1073741824, 0, 0, 0x0d95f6cbdf89da57u},
    {257, 1, 1, 0, 0x5ad384d356b6b3dfu},
    {257, 1, 1, 1, 0x5ad384d356b6b3dfu},
    {257, 1, 1, 2, 0x8d86f34ed1f0cb77u},
    {257, 1, 0, 0, 0x2827afaeaef2983bu},
    {257, 1, 0, 1, 0x9d5a14526513258bu},
    {257, 1, 0, 2, 0x10d095219e2ad583u},
    {257, 3, 1, 0, 0x622ec49bfaaa6d23u},
    {257, 3, 0, 0, 0x5bea24c7629d336bu},
    {257, 16, 1, 0, 0x2015e5882b4c0debu},
    {257, 16, 0, 0, 0xf10324af116ef81fu},
    {257, 1073741824, 1, 0, 0x567d62a7245a1ae1u},
    {257, 1073741824, 0, 0, 0x567d62a7245a1ae1u},
    {1000, 1, 1, 0, 0x988cc5afd8cb65ddu},
    {1000, 1, 1, 1, 0x988cc5afd8cb65ddu},
    {1000, 1, 1, 2, 0xe215947c472f2c91u},
    {1000, 1, 0, 0, 0xf0c71b4a2f1b3e7bu},
    {1000, 1, 0, 1, 0x77d58a81e83d65a3u},
    {1000, 1, 0, 2, 0xf414aad5dcaf3e43u},
    {1000, 3, 1, 0, 0xcbe26579dfb90fdfu},
    {1000, 3, 0, 0, 0xc5777377514ea4b1u},
    {1000, 16, 1, 0, 0xfe2d1d464fbaafc3u},
    {1000, 16, 0, 0, 0x38b61f3778ae1473u},
    {1000, 1073741824, 1, 0, 0xf95accf56e9a710du},
    {1000, 1073741824, 0, 0, 0xf95accf56e9a710du},
    {5000, 1, 1, 0, 0x7405579c4bb800fdu},
    {5000, 1, 1, 1, 0x7405579c4bb800fdu},
    {5000, 1, 1, 2, 0x54b873387de1b995u},
    {5000, 1, 0, 0, 0x8666d747e7203d55u},
    {5000, 1, 0, 1, 0xe0ef5c22ef01128fu},
    {5000, 1, 0, 2, 0xcf674503f1c50559u},
    {5000, 3, 1, 0, 0xb094f1bb51946febu},
    {5000, 3, 0, 0, 0x3c110b0f2ce29da3u},
    {5000, 16, 1, 0, 0x52c2048c96749e99u},
    {5000, 16, 0, 0, 0x8ace75382ca3795bu},
    {5000, 1073741824, 1, 0, 0x6d89234e099f0797u},
    {5000, 1073741824, 0, 0, 0xde9243529014b1b5u},
};

static bool less(void *ctx, size_t i, size_t j)
{
    const struct list *l = ctx;
    return l->strict ? l->items[i].key < l->items[j].key : l->items[i].key <= l->items[j].key;
}

static void swap(void *ctx, size_t i, size_t j)
{
    struct list *l = ctx;
    struct element was = l->items[i];
    l->items[i] = l->items[j];
    l->items[j] = was;
}

static void order_is_that_of_go(void **state)
{
    static struct list l;
    const struct sk_go_sort sort = {&l, less, swap};
    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        uint32_t n = rows[r].count, x = n * 2654435761u + rows[r].modulus;
        uint64_t hash = 14695981039346656037u;
        l.strict = rows[r].strict;
        for (uint32_t i = 0; i < n; i++) {
            x = x * 1664525 + 1013904223;
            uint32_t key = (x >> 8) % rows[r].modulus;
            if (rows[r].order > 0)
                key = (rows[r].order == 1 ? i : n - i) / 3;
            l.items[i] = (struct element){key, i};
        }
        sk_go_sort(&sort, n);
        for (uint32_t i = 0; i < n; i++)
            hash = (hash ^ l.items[i].at) * 1099511628211u;
        assert_int_equal(hash, rows[r].hash);
    }
}

static void nothing_is_sorted(void **state)
{
    const struct sk_go_sort sort = {NULL, less, swap};
    (void)state;
    sk_go_sort(&sort, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_that_of_go),
        cmocka_unit_test(nothing_is_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
