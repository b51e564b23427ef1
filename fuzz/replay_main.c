/* SPDX-License-Identifier: Apache-2.0 */
/* replay_main.c -- runs a fuzz target over files and folders without a fuzzing engine, so that
 * ctest replays corpus and regressions with any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned count;

static void one_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return;
    static uint8_t data[4 << 20];
    size_t n = fread(data, 1, sizeof(data), f);
    fclose(f);
    uint8_t *exact = malloc(n ? n : 1); /* its own block, so that ASan sees an overread */
    memcpy(exact, data, n);
    (void)LLVMFuzzerTestOneInput(exact, n); /* findings abort */
    free(exact);
    count++;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (dir == NULL) {
            one_file(argv[i]);
            continue;
        }
        for (struct dirent *e; (e = readdir(dir)) != NULL;) {
            char path[4096];
            if (e->d_name[0] == '.')
                continue;
            snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
            one_file(path);
        }
        closedir(dir);
    }
    printf("replayed %u inputs\n", count);
    return 0;
}
