// What the core can do at best with vectors of 8 doubles, each operation independent of the others.
// gcc -O3 -march=native vector.c -o vector && ./vector 0 5000000
// Argument: 0 fused multiply-adds, 1 loads, 2 stores in the nearest cache. Prints: ns per operation.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { COUNT = 16 };
typedef double V __attribute__((vector_size(64)));
static volatile V buffer[COUNT];

int main(int argc, char **argv) {
    int kind = argc > 1 ? atoi(argv[1]) : 0;
    long rounds = argc > 2 ? atol(argv[2]) : 5000000;
    V v[COUNT], a = (V){} + 0.5, b = (V){} + 0.25;
    for (int k = 0; k < COUNT; k++) v[k] = buffer[k] = (V){} + k;
    struct timespec t0, t1;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
    for (long n = 0; n < rounds; n++)
#pragma GCC unroll 16
        for (int k = 0; k < COUNT; k++) {
            if (kind == 0) v[k] = v[k] * a + b;
            else if (kind == 1) (void)buffer[k];
            else buffer[k] = v[k];
        }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
    double sum = 0;
    for (int k = 0; k < COUNT; k++) sum += v[k][0] + buffer[k][0];
    double ns = (t1.tv_sec - t0.tv_sec) * 1e9 + (t1.tv_nsec - t0.tv_nsec);
    printf("%.3f ns/step  (checksum %g)\n", ns / rounds / COUNT, sum);
}
